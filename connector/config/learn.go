package config

import (
	"regexp"
	"strings"

	"github.com/headrace/headrace/internal/redact"
)

var (
	// personal are keys that say who somebody is: some services want a token
	// there, and a name that is equal to its password gives that away.
	personal = regexp.MustCompile(`(?:^|[._])(?:user|username|client_id|principal|access_key_id|key_id)$`)
	// header are the values of headers: who knows what they let in. So with
	// variables of a command that are called so.
	header = regexp.MustCompile(`^headers\.|^env\..*(?i:pass|secret|token|key|cred|auth|dsn)`)
	// mixed are keys whose values may hold a secret between other words.
	mixed = regexp.MustCompile(`^command(?:\[|$)|^env\.`)
)

// learn tells the masker of the text of a key that is no Secret: it stays
// readable, unless it may hold a secret after all.
func (p place) learn(text string) {
	switch {
	case personal.MatchString(p.label):
		if redact.Shape(text) != "" {
			p.node.masker.Add(text)
		}
	case header.MatchString(p.label):
		p.node.masker.Add(text)
	case mixed.MatchString(p.label):
		for word := range strings.FieldsSeq(text) {
			if redact.Suspicious(word) {
				p.node.masker.Add(word)
			}
		}
	default:
		p.node.masker.Open(text)
	}
}
