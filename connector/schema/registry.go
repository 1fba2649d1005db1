// Package schema is the client of a Schema Registry with Confluent's REST
// API (https://docs.confluent.io/platform/current/schema-registry/develop/api.html)
// and turns JSON into the registry's wire format and back: a zero byte, the
// schema's id in four bytes, for Protobuf the message indexes, and the data in
// Avro, Protobuf or JSON.
//
// Client makes single calls. Schemas is what the produce path uses: it finds
// the schema that a record names, by id, version, text or as the latest of its
// subject, keeps compiled schemas in bounded caches, asks for each once however
// many records wait for it, and goes on with what it knows while the registry
// is away.
package schema

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/connector"
)

// The schema types.
const (
	Avro       = "AVRO"
	Protobuf   = "PROTOBUF"
	JSONSchema = "JSON"
)

// Doer sends HTTP requests; an *http.Client is one. It adds what proves who we
// are.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Config says how to reach a registry. Zero values mean the defaults.
type Config struct {
	// URLs are the addresses of the registry's instances, tried in turn.
	URLs []string
	// HTTP sends the requests; nil sends them without credentials.
	HTTP Doer
	// Timeout bounds one call with its retries (5 s).
	Timeout time.Duration
	// Attempts is how often a call is tried when the registry cannot be
	// reached or answers 5xx or 429 (3).
	Attempts int
	// Normalize asks the registry to take schemas for the same that differ in
	// spelling only.
	Normalize bool
}

func (c Config) withDefaults() Config {
	if c.HTTP == nil {
		c.HTTP = http.DefaultClient
	}
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Attempts <= 0 {
		c.Attempts = 3
	}
	return c
}

// Client calls the REST API. It is safe for concurrent use and keeps nothing.
type Client struct {
	cfg   Config
	first atomic.Uint32 // the instance that answered last
}

// New returns a client of the registry at cfg.URLs.
func New(cfg Config) (*Client, error) {
	if len(cfg.URLs) == 0 {
		return nil, connector.Errorf(connector.Invalid, "schema registry: no url")
	}
	for i, raw := range cfg.URLs {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, connector.Errorf(connector.Invalid, "schema registry: url number %d is not an address; write it like http://localhost:8081", i+1)
		}
	}
	cfg = cfg.withDefaults()
	urls := make([]string, len(cfg.URLs))
	for i, raw := range cfg.URLs {
		urls[i] = strings.TrimRight(raw, "/")
	}
	cfg.URLs = urls
	return &Client{cfg: cfg}, nil
}

// Reference names a schema that another one uses: in Avro a type's full name,
// in Protobuf the imported file, in JSON Schema the $ref.
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// Schema is the text of a schema with its type and references.
type Schema struct {
	Type       string      `json:"schemaType,omitempty"` // "" is AVRO
	Text       string      `json:"schema"`
	References []Reference `json:"references,omitempty"`
}

// Registered is a schema as a version of a subject.
type Registered struct {
	Schema
	Subject string `json:"subject"`
	ID      int    `json:"id"`
	Version int    `json:"version"`
}

func (s *Schema) normal() {
	if s.Type == "" {
		s.Type = Avro
	}
}

// MarshalJSON leaves out the type AVRO: the oldest registries do not know the key.
func (s Schema) MarshalJSON() ([]byte, error) {
	type plain Schema
	if s.Type == Avro {
		s.Type = ""
	}
	return json.Marshal(plain(s))
}

// Subjects lists the subjects.
func (c *Client) Subjects(ctx context.Context) (list []string, err error) {
	err = c.call(ctx, http.MethodGet, "/subjects", nil, &list, "list the subjects")
	return list, err
}

// Versions lists the versions of a subject.
func (c *Client) Versions(ctx context.Context, subject string) (list []int, err error) {
	err = c.call(ctx, http.MethodGet, "/subjects/"+url.PathEscape(subject)+"/versions", nil, &list, "list the versions of subject "+subject)
	return list, err
}

// ByID returns the schema with the id.
func (c *Client) ByID(ctx context.Context, id int) (s Schema, err error) {
	err = c.call(ctx, http.MethodGet, "/schemas/ids/"+strconv.Itoa(id), nil, &s, "get schema id "+strconv.Itoa(id))
	s.normal()
	return s, err
}

// Latest as a version is the newest one of a subject.
const Latest = 0

// Version returns a version of a subject.
func (c *Client) Version(ctx context.Context, subject string, version int) (r Registered, err error) {
	v := "latest"
	if version != Latest {
		v = strconv.Itoa(version)
	}
	err = c.call(ctx, http.MethodGet, "/subjects/"+url.PathEscape(subject)+"/versions/"+v, nil, &r, "get version "+v+" of subject "+subject)
	r.normal()
	return r, err
}

// Lookup finds a schema among the versions of a subject. When it is none of
// them the error is of kind NotFound.
func (c *Client) Lookup(ctx context.Context, subject string, s Schema) (r Registered, err error) {
	err = c.call(ctx, http.MethodPost, "/subjects/"+url.PathEscape(subject)+c.query(), s, &r, "look up a schema under subject "+subject)
	r.normal()
	return r, err
}

// Register makes a schema a version of a subject, unless it is one already,
// and returns its id.
func (c *Client) Register(ctx context.Context, subject string, s Schema) (int, error) {
	var r struct {
		ID int `json:"id"`
	}
	err := c.call(ctx, http.MethodPost, "/subjects/"+url.PathEscape(subject)+"/versions"+c.query(), s, &r, "register a schema under subject "+subject)
	return r.ID, err
}

// Delete removes a version of a subject, or with Latest the whole subject,
// softly: the schemas keep their ids.
func (c *Client) Delete(ctx context.Context, subject string, version int) error {
	path, what := "/subjects/"+url.PathEscape(subject), "delete subject "+subject
	if version != Latest {
		path += "/versions/" + strconv.Itoa(version)
		what = "delete version " + strconv.Itoa(version) + " of subject " + subject
	}
	return c.call(ctx, http.MethodDelete, path, nil, nil, what)
}

func (c *Client) query() string {
	if c.cfg.Normalize {
		return "?normalize=true"
	}
	return ""
}
