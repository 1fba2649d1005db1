package config

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	mask = "******"
	// minSecret is the shortest text that is masked: hiding every "a" or "1"
	// would make logs unreadable and protect nothing.
	minSecret = 3
	// minSecretLine is the shortest line of a longer secret (a PEM key) that
	// is masked when it is seen alone.
	minSecretLine = 16
)

// Masker replaces known secrets in texts that leave the process: logs, errors,
// pages. It is safe for concurrent use; the zero value is ready. A nil Masker
// masks nothing.
type Masker struct {
	mu       sync.Mutex
	secrets  map[string]struct{}
	replacer atomic.Pointer[strings.Replacer] // nil: to be made from secrets
}

// Add makes secret known, as it stands and as it looks inside JSON and URLs.
// Secrets of less than three bytes are not masked.
func (m *Masker) Add(secret string) {
	if m == nil || len(strings.TrimSpace(secret)) < minSecret {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.secrets[secret]; known {
		return
	}
	if m.secrets == nil {
		m.secrets = make(map[string]struct{})
	}
	for _, form := range forms(secret) {
		m.secrets[form] = struct{}{}
	}
	m.replacer.Store(nil)
}

func forms(secret string) []string {
	all := []string{
		secret, strings.TrimSpace(secret),
		url.QueryEscape(secret), url.PathEscape(secret),
	}
	if quoted, err := json.Marshal(secret); err == nil {
		all = append(all, string(quoted[1:len(quoted)-1]))
	}
	if strings.Contains(secret, "\n") {
		for line := range strings.Lines(secret) {
			line = strings.TrimSpace(line)
			if len(line) >= minSecretLine && !strings.HasPrefix(line, "-----") {
				all = append(all, line)
			}
		}
	}
	return all
}

// Mask returns text with every known secret replaced by "******".
func (m *Masker) Mask(text string) string {
	if m == nil || len(text) < minSecret {
		return text
	}
	r := m.replacer.Load()
	if r == nil {
		r = m.build()
	}
	return r.Replace(text)
}

// build makes the replacer. Longer secrets come first, so that one that is the
// beginning of another does not leave the other's tail to be read.
func (m *Masker) build() *strings.Replacer {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := make([]string, 0, len(m.secrets))
	for s := range m.secrets {
		known = append(known, s)
	}
	slices.SortFunc(known, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(known))
	for _, s := range known {
		pairs = append(pairs, s, mask)
	}
	r := strings.NewReplacer(pairs...)
	m.replacer.Store(r)
	return r
}
