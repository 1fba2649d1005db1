package doctor

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// Status is how a step ended.
type Status string

// The ends of a step.
const (
	OK      Status = "ok"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Report is what Run found.
type Report struct {
	Connections []Connection `json:"connections"`
}

// Connection is what one address showed.
type Connection struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"` // kafka or schema_registry
	Address string   `json:"address"`
	UsedBy  []string `json:"used_by,omitempty"`
	OK      bool     `json:"ok"`
	Failed  string   `json:"failed_step,omitempty"`
	Advice  string   `json:"advice,omitempty"` // of the failed step: what to change, in one line
	Steps   []Step   `json:"steps"`
}

// Step is one step of a connection.
type Step struct {
	Name         string        `json:"step"`
	Status       Status        `json:"status"`
	Detail       string        `json:"detail,omitempty"` // what was found, or why it was skipped
	Error        string        `json:"error,omitempty"`
	Advice       string        `json:"advice,omitempty"`
	Milliseconds int64         `json:"ms"`
	Certificates []Certificate `json:"certificates,omitempty"` // of the server, the leaf first
	Mechanisms   []string      `json:"mechanisms,omitempty"`
	Claims       *Claims       `json:"claims,omitempty"`
	Rights       []Right       `json:"rights,omitempty"`
}

// Certificate is one certificate of a chain.
type Certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names,omitempty"` // host names and addresses it is for
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

// Claims are what a token says about itself.
type Claims struct {
	Issuer    string    `json:"iss,omitempty"`
	Subject   string    `json:"sub,omitempty"`
	Audience  []string  `json:"aud,omitempty"`
	Scope     string    `json:"scope,omitempty"`
	Algorithm string    `json:"alg,omitempty"`
	KeyID     string    `json:"kid,omitempty"`
	IssuedAt  time.Time `json:"iat,omitzero"`
	Expiry    time.Time `json:"exp,omitzero"`
	ClockSkew string    `json:"clock_skew,omitempty"` // of the issuer against this machine
}

// Right is what we may do with a topic. Unknown means that the broker does not
// say (it is older than KIP-430, or has no authorizer).
type Right struct {
	Topic    string `json:"topic"`
	Exists   bool   `json:"exists"`
	Describe bool   `json:"describe"`
	Read     bool   `json:"read"`
	Write    bool   `json:"write"`
	Unknown  bool   `json:"unknown,omitempty"`
	// Made says that the topic does not exist, and that the brokers make it when
	// a record comes.
	Made bool `json:"made_when_written,omitempty"`
}

// OK reports whether every connection works.
func (r Report) OK() bool {
	for _, c := range r.Connections {
		if !c.OK {
			return false
		}
	}
	return true
}

// Mask applies hide to every text of the report that may repeat what a library or
// a server said.
func (r *Report) Mask(hide func(string) string) {
	for i := range r.Connections {
		c := &r.Connections[i]
		c.Advice = hide(c.Advice)
		for k := range c.Steps {
			s := &c.Steps[k]
			s.Detail, s.Error, s.Advice = hide(s.Detail), hide(s.Error), hide(s.Advice)
		}
	}
}

// WriteText writes the report for people: a block a connection, a line a step,
// and the advice below the step that failed.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for i, c := range r.Connections {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s (%s at %s)\n", c.Name, c.Kind, c.Address)
		if len(c.UsedBy) > 0 {
			fmt.Fprintf(&b, "  used by %s\n", strings.Join(c.UsedBy, ", "))
		}
		for _, s := range c.Steps {
			text := s.Detail
			if s.Status == Failed {
				text = s.Error
			}
			fmt.Fprintf(&b, "  %-7s  %-14s  %s\n", s.Status, s.Name, text)
			for _, cert := range s.Certificates {
				fmt.Fprintf(&b, "%27s%s\n", "", cert)
			}
			if s.Status == Failed {
				fmt.Fprintf(&b, "%25s→ %s\n", "", s.Advice)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String is the certificate in one line.
func (c Certificate) String() string {
	names := ""
	if len(c.Names) > 0 {
		names = " for " + strings.Join(c.Names, ", ")
	}
	return fmt.Sprintf("%s%s, from %s to %s, issued by %s", c.Subject, names, c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly), c.Issuer)
}

// WriteJSON writes the report for machines.
func (r Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the report as JUnit's XML: a suite a connection, a case a
// step.
func (r Report) WriteJUnit(w io.Writer) error {
	var out junitSuites
	for _, c := range r.Connections {
		suite := junitSuite{Name: c.Name + " " + c.Address, Tests: len(c.Steps)}
		var total int64
		for _, s := range c.Steps {
			one := junitCase{Class: "doctor." + c.Kind, Name: s.Name, Time: seconds(s.Milliseconds), Output: s.Detail}
			switch s.Status {
			case Failed:
				suite.Failures++
				one.Failure = &junitMessage{Message: s.Advice, Text: s.Error}
			case Skipped:
				suite.Skipped++
				one.Skipped, one.Output = &junitMessage{Message: s.Detail}, ""
			}
			total += s.Milliseconds
			suite.Cases = append(suite.Cases, one)
		}
		suite.Time = seconds(total)
		out.Suites = append(out.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(ms int64) string { return fmt.Sprintf("%.3f", float64(ms)/1000) }

// maxLine bounds what a server can put into the report.
const maxLine = 600

// oneLine makes text of servers and libraries fit for a line.
func oneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }), " ")
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	return text
}
