package kafka

import "github.com/headrace/headrace/connector"

// resolve returns the settings with a JAAS line, if there is one, turned into
// the keys it stands for.
func (s *SASL) resolve() (SASL, []connector.Fault) {
	return *s, nil
}
