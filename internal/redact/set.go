package redact

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

const (
	// MinSecret is the shortest text that is hidden: hiding every "a" or "1"
	// would make texts unreadable and protect nothing.
	MinSecret = 3
	// piece is the length from which a part of a secret is hidden too.
	piece = 8
	// maxPieces bounds the memory for the pieces of one secret.
	maxPieces = 64 << 10
)

// Set knows secrets and finds them in texts: whole or in pieces of eight
// characters, plain, percent-encoded, HTML- or JSON-escaped, in base64 or hex.
// It also knows words that stay readable whatever they are equal to. It is safe
// for concurrent use; the zero value is ready, and a nil Set knows nothing.
type Set struct {
	mu      sync.Mutex
	secrets map[string]struct{}
	open    map[string]struct{}
	index   atomic.Pointer[index] // nil: to be made anew
}

// index is what a search needs.
type index struct {
	whole  []string // lower case where long; longest first
	pieces map[[piece]byte]struct{}
	open   map[string]struct{}
}

// Add makes a secret known. Of text that only holds secrets (a JAAS line, a
// URL, a PEM block, "Bearer …") the parts that are secret are known by
// themselves too.
func (s *Set) Add(secret string) {
	if s == nil || len(strings.TrimSpace(secret)) < MinSecret {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.secrets[secret]; known {
		return
	}
	if s.secrets == nil {
		s.secrets = make(map[string]struct{})
	}
	s.secrets[secret] = struct{}{}
	s.index.Store(nil)
}

// Open keeps a word readable: the name of a topic, a host, a realm. Words of
// less than three characters are not hidden anyway.
func (s *Set) Open(word string) {
	word = strings.ToLower(strings.TrimSpace(word))
	if s == nil || len(word) < MinSecret || len(word) > maxPath {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.open[word]; known {
		return
	}
	if s.open == nil {
		s.open = make(map[string]struct{})
	}
	s.open[word] = struct{}{}
	s.index.Store(nil)
}

// Mask returns text of this program with every known secret hidden. The
// program's own words and those that were opened stay.
func (s *Set) Mask(text string) string { return s.hide(text, false) }

func (s *Set) hide(text string, foreign bool) string {
	if s == nil || len(text) < MinSecret {
		return text
	}
	x := s.index.Load()
	if x == nil {
		x = s.build()
	}
	if len(x.whole) == 0 {
		return text
	}
	hidden := make([]bool, len(text))
	any := false
	for _, v := range views(text) {
		for _, h := range append(x.find(v.text, foreign), x.coded(v.text)...) {
			any = true
			for i := v.at[h.begin]; i < v.at[h.end]; i++ {
				hidden[i] = true
			}
		}
	}
	if !any {
		return text
	}
	var out strings.Builder
	for i, size := 0, 0; i < len(text); i += size {
		_, size = utf8.DecodeRuneInString(text[i:])
		switch {
		case !hidden[i]:
			out.WriteString(text[i : i+size])
		case i == 0 || !hidden[i-1]:
			out.WriteString(Mask)
		}
	}
	return out.String()
}

var (
	jaasValue  = regexp.MustCompile(`([\w.]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s;"']+))`)
	jaasPublic = regexp.MustCompile(`(?i)(?:user|name|clientid|client\.id|endpoint|uri|url|scope|realm|keytab|principal|location|cache|debug|rolearn|profile|region)`)
	userinfo   = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://([^/?#\s]*)@`)
	scheme     = regexp.MustCompile(`^(?i:basic|bearer|apikey|negotiate|token)\s+(\S.*)$`)
)

// parts returns the texts that are known with a secret, and whether pieces of
// each are to be found as well.
func parts(secret string) (pieces, whole []string) {
	trimmed := strings.TrimSpace(secret)
	switch {
	case armour.MatchString(secret):
		for line := range strings.Lines(strings.ReplaceAll(secret, `\n`, "\n")) {
			line = strings.TrimSpace(line)
			if len(line) >= piece && !strings.HasPrefix(line, "-----") {
				pieces = append(pieces, line)
			}
		}
		return pieces, nil
	case jaas.MatchString(secret):
		for _, m := range jaasValue.FindAllStringSubmatch(secret, -1) {
			if value := m[2] + m[3] + m[4]; !jaasPublic.MatchString(m[1]) && len(value) >= MinSecret {
				pieces = append(pieces, value)
			}
		}
		return pieces, []string{trimmed}
	}
	if m := userinfo.FindStringSubmatch(trimmed); m != nil {
		if _, password, ok := strings.Cut(m[1], ":"); ok && len(password) >= MinSecret {
			pieces = append(pieces, password)
		}
		return pieces, []string{trimmed, m[1]}
	}
	if m := scheme.FindStringSubmatch(trimmed); m != nil {
		return []string{m[1]}, []string{trimmed}
	}
	pieces = []string{trimmed}
	if secret != trimmed {
		whole = append(whole, secret)
	}
	if strings.Contains(trimmed, " ") { // as a form writes it
		pieces = append(pieces, strings.ReplaceAll(trimmed, " ", "+"))
	}
	return pieces, whole
}

func (s *Set) build() *index {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := &index{pieces: make(map[[piece]byte]struct{}), open: make(map[string]struct{}, len(s.open))}
	for word := range s.open {
		x.open[word] = struct{}{}
	}
	for secret := range s.secrets {
		cut, whole := parts(secret)
		for _, text := range append(cut, whole...) {
			x.whole = append(x.whole, fold(text))
		}
		for _, text := range cut {
			text = fold(text)
			for i := 0; i+piece <= min(len(text), maxPieces); i++ {
				x.pieces[[piece]byte([]byte(text[i:i+piece]))] = struct{}{}
			}
		}
	}
	slices.SortFunc(x.whole, func(a, b string) int { return len(b) - len(a) })
	x.whole = slices.Compact(x.whole)
	s.index.Store(x)
	return x
}

// fold makes ASCII letters small and leaves every byte in its place.
func fold(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// span is a part of a text, and whether a whole secret stands there.
type span struct {
	begin, end int
	whole      bool
}

// find returns where known secrets stand in text, without those that are words
// which stay readable.
func (x *index) find(text string, foreign bool) []span {
	folded := fold(text)
	var spans []span
	for _, secret := range x.whole {
		for from := 0; ; {
			i := strings.Index(folded[from:], secret)
			if i < 0 {
				break
			}
			spans = append(spans, span{from + i, from + i + len(secret), true})
			from += i + len(secret)
		}
	}
	for i := 0; i+piece <= len(folded); i++ {
		if _, ok := x.pieces[[piece]byte([]byte(folded[i:i+piece]))]; ok {
			spans = append(spans, span{i, i + piece, false})
		}
	}
	return slices.DeleteFunc(merge(spans), func(h span) bool { return x.readable(folded, h, foreign) })
}

// merge joins spans that touch.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.begin - b.begin })
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && s.begin <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, s.end)
			out[n-1].whole = out[n-1].whole || s.whole
			continue
		}
		out = append(out, s)
	}
	return out
}

// readable reports whether what was found is an own word of the program, a word
// that was opened, or too weak to be meant: a few letters, or a few digits,
// within a longer word.
func (x *index) readable(text string, h span, foreign bool) bool {
	found := text[h.begin:h.end]
	word := widen(text, h, isAlnum)
	inside := word.begin < h.begin || word.end > h.end
	switch {
	case inside && len(found) < piece && plain(found):
		return true
	case foreign && h.whole && !inside: // what it says itself may be a secret, too
	case h.whole && strings.ContainsFunc(found, notAlnum): // several words together are not ours
	case ownWords(text[word.begin:word.end]):
		return true
	}
	around := widen(text, h, isToken)
	token := text[around.begin:around.end]
	return x.opened(token) || x.opened(strings.TrimRight(token, ".:/")) || x.opened(text[word.begin:word.end])
}

func (x *index) opened(word string) bool {
	_, ok := x.open[word]
	return ok
}

// ownWords reports whether text is nothing but words that the program uses
// itself, and short: a long secret may be made of words.
func ownWords(text string) bool {
	if len(text) > 2*piece {
		return false
	}
	words := strings.FieldsFunc(text, notAlnum)
	return len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return !ownWord(w) })
}

// plain reports letters alone or digits alone.
func plain(text string) bool {
	return strings.TrimFunc(text, unicode.IsLetter) == "" || strings.TrimFunc(text, unicode.IsDigit) == ""
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c >= 0x80
}

func isToken(c byte) bool { return isAlnum(c) || strings.IndexByte("._-:/", c) >= 0 }

// widen grows a span over the characters around it.
func widen(text string, h span, in func(byte) bool) span {
	for h.begin > 0 && in(text[h.begin-1]) {
		h.begin--
	}
	for h.end < len(text) && in(text[h.end]) {
		h.end++
	}
	return h
}

var codedRun = regexp.MustCompile(`[A-Za-z0-9+/_-]{6,}`)

// coded returns the runs of base64 and hex that hold a known secret when they
// are decoded, wherever they were cut.
func (x *index) coded(text string) []span {
	var out []span
	for _, at := range codedRun.FindAllStringIndex(text, -1) {
		if x.holds(text[at[0]:at[1]]) {
			end := at[1]
			for end < len(text) && text[end] == '=' {
				end++
			}
			out = append(out, span{at[0], end, true})
		}
	}
	return out
}

func (x *index) holds(run string) bool {
	std := strings.NewReplacer("-", "+", "_", "/").Replace(run)
	for offset := range min(4, len(std)) {
		cut := std[offset:]
		if len(cut)%4 == 1 {
			cut = cut[:len(cut)-1]
		}
		if b, err := base64.RawStdEncoding.DecodeString(cut); err == nil && x.contains(string(b)) {
			return true
		}
	}
	for offset := range 2 {
		cut := run[offset:]
		cut = cut[:len(cut)-len(cut)%2]
		if b, err := hex.DecodeString(cut); err == nil && x.contains(string(b)) {
			return true
		}
	}
	return false
}

// minCoded is the shortest secret that is looked for in decoded bytes, where
// three may stand by chance.
const minCoded = 4

// contains reports whether decoded bytes hold a secret or a piece of one.
func (x *index) contains(text string) bool {
	for _, v := range views(text) {
		folded := fold(v.text)
		for _, secret := range x.whole {
			if len(secret) >= minCoded && strings.Contains(folded, secret) {
				return true
			}
		}
		for i := 0; i+piece <= len(folded); i++ {
			if _, ok := x.pieces[[piece]byte([]byte(folded[i:i+piece]))]; ok {
				return true
			}
		}
	}
	return false
}
