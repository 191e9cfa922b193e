package harness

import (
	"bytes"
	"fmt"
	"net/url"
	"strconv"

	"golang.org/x/net/html"
)

// Form is a form of a page, as a person would find it.
type Form struct {
	// Action is where it goes, as an absolute URL.
	Action *url.URL
	// Method is GET, or empty for POST: the forms of all pages here are of the latter kind.
	Method string
	// Values are what it holds before anybody types.
	Values url.Values
	// Buttons are the names and values of its submit buttons, of which a person presses one.
	Buttons []Button
}

// Button is a submit button.
type Button struct{ Name, Value string }

// Form returns the page's form that has a field or button of the given name.
func (p *Page) Form(field string) (*Form, error) {
	return p.form(strconv.Quote(field), func(form *Form) bool { return form.has(field) })
}

// FormWith returns the page's form that holds a value.
func (p *Page) FormWith(field, value string) (*Form, error) {
	return p.form(field+"="+strconv.Quote(value), func(form *Form) bool { return form.Values.Get(field) == value })
}

func (p *Page) form(wanted string, fits func(*Form) bool) (*Form, error) {
	document, err := html.Parse(bytes.NewReader(p.Body))
	if err != nil {
		return nil, err
	}
	for node := range document.Descendants() {
		if node.Type != html.ElementNode || node.Data != "form" {
			continue
		}
		form, err := readForm(p.URL, node)
		if err != nil {
			return nil, err
		}
		if fits(form) {
			return form, nil
		}
	}
	return nil, fmt.Errorf("no form with %s at %s (status %d): %s", wanted, p.URL.Redacted(), p.Status, p.Excerpt())
}

func readForm(base *url.URL, node *html.Node) (*Form, error) {
	action, err := base.Parse(attribute(node, "action"))
	if err != nil {
		return nil, err
	}
	form := &Form{Action: action, Values: url.Values{}}
	for field := range node.Descendants() {
		name, value := attribute(field, "name"), attribute(field, "value")
		if field.Type != html.ElementNode || name == "" {
			continue
		}
		kind := attribute(field, "type")
		switch {
		case field.Data == "button", field.Data == "input" && (kind == "submit" || kind == "image"):
			form.Buttons = append(form.Buttons, Button{name, value})
		case field.Data == "input" && (kind == "checkbox" || kind == "radio") && !has(field, "checked"):
			// Unchecked boxes are not sent.
		case field.Data == "input", field.Data == "textarea", field.Data == "select":
			form.Values.Set(name, value)
		}
	}
	return form, nil
}

func (f *Form) has(name string) bool {
	if f.Values.Has(name) {
		return true
	}
	for _, button := range f.Buttons {
		if button.Name == name {
			return true
		}
	}
	return false
}

// Press fills in a button's value, as pressing it does. An empty value means the first button of
// the name.
func (f *Form) Press(name, value string) error {
	for _, button := range f.Buttons {
		if button.Name == name && (value == "" || button.Value == value) {
			f.Values.Set(button.Name, button.Value)
			return nil
		}
	}
	return fmt.Errorf("no button %s %q", name, value)
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(node *html.Node, name string) bool {
	for _, a := range node.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}
