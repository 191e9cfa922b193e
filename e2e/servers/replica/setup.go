package replica

import (
	"embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/specfacts"
	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/providers_gen/all"
	"github.com/latchkey-auth/latchkey/runtime"
)

// configure reads the spec and configures latchkey's provider as its generated test does, but for
// where the replica is.
func (s *Server) configure() error {
	file := filepath.Join(s.config.Root, "specs", s.config.Provider+".yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	s.facts, err = specfacts.Read(file, text)
	if err != nil {
		return err
	}
	s.values = map[string]string{}
	for _, field := range s.facts.Fields {
		value, set := s.facts.Config[field.Name]
		switch {
		case set:
			s.values[field.Name] = plain(value)
		case field.Required:
			s.values[field.Name] = field.Example
		case len(field.Default) > 0:
			s.values[field.Name] = strings.Join(field.Default, " ")
		}
	}
	if s.kind.at != nil {
		at := s.kind.at(s)
		for name, place := range at {
			if known := s.values[name]; s.kind.generic && known != "" {
				s.moved = append(s.moved, known, place)
			}
		}
		maps.Copy(s.values, at)
	}
	maps.Copy(s.values, s.config.Settings)
	known, found := all.Lookup(s.config.Provider)
	if !found || known.New == nil {
		return fmt.Errorf("latchkey has no provider %s", s.config.Provider)
	}
	env := map[string]string{}
	for _, field := range s.facts.Fields {
		env[field.Env] = s.values[field.Name]
	}
	provider, err := known.New(
		runtime.WithLookupEnv(func(name string) (string, bool) { value := env[name]; return value, value != "" }),
		runtime.WithLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		return err
	}
	s.description = provider.Describe()
	return nil
}

// plain is a value of the spec's test as a variable has it.
func plain(value any) string {
	list, ok := value.([]any)
	if !ok {
		return fmt.Sprint(value)
	}
	var texts []string
	for _, entry := range list {
		texts = append(texts, fmt.Sprint(entry))
	}
	return strings.Join(texts, " ")
}

// makeKeys makes the provider's keys: one of its own for each algorithm that latchkey accepts and,
// where latchkey knows it, the secret that both have.
func (s *Server) makeKeys() error {
	for _, name := range s.facts.Algorithms {
		algorithm := jose.Algorithm(name)
		if algorithm.Symmetric() {
			continue
		}
		if err := s.addKey(algorithm); err != nil {
			return err
		}
	}
	for name, field := range s.facts.SharedSecrets {
		algorithm := jose.Algorithm(name)
		key, err := jose.NewSecretSigningKey(algorithm, []byte(fmt.Sprint(s.facts.Config[field])))
		if err != nil {
			return err
		}
		s.keys[algorithm] = key
	}
	if s.ownKey() == nil { // opaque access tokens, and ID tokens
		return s.addKey("RS256")
	}
	return nil
}

func (s *Server) addKey(algorithm jose.Algorithm) error {
	key, err := jose.GenerateKey(algorithm, s.kind.keyPrefix+randomName())
	if err == nil {
		s.keys[algorithm] = key
	}
	return err
}

// ownKey is the key with which the provider usually signs, of the first algorithm in the spec.
func (s *Server) ownKey() *jose.SigningKey {
	if keys := s.publicKeys(); len(keys) > 0 {
		return keys[0]
	}
	return nil
}

// publicKeys are the keys with a public part, in the spec's order of algorithms.
func (s *Server) publicKeys() []*jose.SigningKey {
	var keys []*jose.SigningKey
	for _, algorithm := range append(s.Algorithms(), "RS256") {
		key := s.keys[jose.Algorithm(algorithm)]
		if key != nil && !key.Algorithm().Symmetric() && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// Algorithms are those that the spec accepts, of which the provider usually signs with the first.
func (s *Server) Algorithms() []string { return slices.Clone(s.facts.Algorithms) }

// serveKeys serves the key set. It is empty while a shared secret signs.
func (s *Server) serveKeys(w http.ResponseWriter, _ *http.Request) {
	keys, public := []map[string]any{}, s.publicKeys()
	if s.config.Dashboard.SharedSecret {
		public = nil
	}
	for _, own := range public {
		text, err := own.PublicJWK()
		var key map[string]any
		if err == nil {
			err = json.Unmarshal(text, &key)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if s.kind.key != nil {
			s.kind.key(s, key)
		}
		keys = append(keys, key)
	}
	writeJSON(w, http.StatusOK, map[string]any{"keys": keys})
}

// documents are the providers' discovery documents as they were recorded or documented, with the
// config fields of the spec in braces.
//
//go:embed documents
var documents embed.FS

// Document is a discovery document of the provider, by the name of its file.
func (s *Server) Document(name string) (map[string]any, error) {
	if s.kind.generic {
		return s.ownDocument(), nil
	}
	text, err := documents.ReadFile("documents/" + name + ".json")
	if err != nil {
		return nil, err
	}
	var pairs []string
	for field, value := range s.values {
		pairs = append(pairs, "{"+field+"}", value)
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(strings.NewReplacer(pairs...).Replace(string(text))), &document); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if s.config.Dashboard.NoRegistration {
		delete(document, "registration_endpoint")
	}
	if s.kind.document != nil {
		s.kind.document(s, document)
	}
	return document, nil
}

// Documents are the names of the provider's documents, by the URL at which the provider has them.
func (s *Server) Documents() map[string]string {
	list := map[string]string{}
	for form, document := range s.kind.documents {
		list[form.URL(s.description.Issuer)] = document
	}
	return list
}

func (s *Server) serveDocument(w http.ResponseWriter, name string) {
	document, err := s.Document(name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(w, http.StatusOK, document)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client is gone when this fails
}
