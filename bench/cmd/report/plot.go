package main

import (
	"fmt"
	"html"
	"strings"

	"github.com/latchkey-auth/latchkey/bench"
	"github.com/latchkey-auth/latchkey/internal/jose"
)

// bar is one row of a plot.
type bar struct {
	name     string
	value    float64
	low, top float64
	ours     bool
}

// theme is the colours of a plot.
type theme struct{ text, faint, ours, other string }

// plots draws every plot in a light and in a dark theme.
func plots(m measured) map[string]string {
	files := map[string]string{}
	themes := map[string]theme{
		"light": {text: "#1f2328", faint: "#8c959f", ours: "#0969da", other: "#afb8c1"},
		"dark":  {text: "#e6edf3", faint: "#7d8590", ours: "#4493f8", other: "#484f58"},
	}
	for suffix, t := range themes {
		files["sockets-"+suffix+".svg"] = draw(t, "Requests per second, guarded route, 16 connections", "%.0f", ofScenarios(m.Route))
		files["tools-"+suffix+".svg"] = draw(t, "Stateless tools/call per second, 16 connections", "%.0f", ofScenarios(m.Tool))
		files["first-seen-"+suffix+".svg"] = draw(t, "First-seen RS256 token, time over its raw signature check", "%.2f ×",
			ofResults(m.Suite.FirstSeen[jose.RS256]))
	}
	return files
}

func ofScenarios(list []*scenario) []bar {
	bars := make([]bar, len(list))
	for i, s := range list {
		low, top := s.PerSecond.Spread()
		bars[i] = bar{name: s.Name, value: s.PerSecond.Median(), low: low, top: top, ours: strings.Contains(s.Name, "latchkey")}
	}
	return bars
}

func ofResults(list []bench.Result) []bar {
	bars := make([]bar, len(list))
	for i, r := range list {
		ratios := r.Nanos.Over(list[0].Nanos)
		low, top := ratios.Spread()
		bars[i] = bar{name: r.Name, value: ratios.Median(), low: low, top: top, ours: r.Name == "latchkey"}
	}
	return bars
}

// draw makes a plot of horizontal bars; a thin line shows the spread.
func draw(t theme, title, format string, bars []bar) string {
	const (
		width, left, right = 760, 290, 110
		row, first         = 30, 56
	)
	largest := 0.0
	for _, r := range bars {
		largest = max(largest, r.top)
	}
	scale := float64(width-left-right) / largest
	height := first + row*len(bars) + 8
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" font-family="system-ui, sans-serif" font-size="14">`+"\n",
		width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(title))
	fmt.Fprintf(&b, `<text x="8" y="26" font-size="16" font-weight="600" fill="%s">%s</text>`+"\n", t.text, html.EscapeString(title))
	for i, r := range bars {
		y := first + row*i
		colour := t.other
		if r.ours {
			colour = t.ours
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="%s">%s</text>`+"\n", left-10, y+15, t.text, html.EscapeString(r.name))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="20" rx="2" fill="%s"/>`+"\n", left, y, r.value*scale, colour)
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="%s" stroke-width="2"/>`+"\n",
			float64(left)+r.low*scale, float64(left)+r.top*scale, y+10, y+10, t.faint)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" fill="%s">%s</text>`+"\n", float64(left)+r.top*scale+8, y+15, t.text, fmt.Sprintf(format, r.value))
	}
	b.WriteString("</svg>\n")
	return b.String()
}
