package kerberos

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/redact"
)

// Conf is a krb5.conf.
type Conf struct {
	DefaultRealm string

	asked   []int32 // the encryption types to ask for, in order
	lines   []string
	realms  []string // in the order of the file
	servers map[string][]string
	domains []relation
	lookup  bool // KDCs are found in DNS, as MIT's and Java's libraries do unless told otherwise
}

// ReadConf reads a configuration: one file, or several with colons between them,
// with all that they include. Errors name the file and the line.
func ReadConf(paths string) (*Conf, error) {
	p, err := readProfile(paths)
	if err != nil {
		return nil, err
	}
	c := &Conf{servers: map[string][]string{}, domains: p.sections["domain_realm"], asked: defaultTypes, lookup: true}
	if err := c.defaults(p.sections["libdefaults"]); err != nil {
		return nil, err
	}
	for _, realm := range p.sections["realms"] {
		c.addRealm(realm)
	}
	return c, nil
}

// defaults takes what matters of [libdefaults]. Of a key that stands there twice
// the first counts.
func (c *Conf) defaults(section []relation) error {
	seen := map[string]bool{}
	for _, r := range section {
		if seen[r.key] {
			continue
		}
		seen[r.key] = true
		value := r.value
		switch r.key {
		case "default_realm":
			c.DefaultRealm = value
		case "dns_lookup_kdc", "dns_lookup_realm", "dns_canonicalize_hostname", "forwardable", "proxiable", "noaddresses", "canonicalize", "rdns", "allow_weak_crypto":
			on, ok := boolean(value)
			if r.key == "dns_canonicalize_hostname" && value == "fallback" {
				on, ok = true, true
			}
			if !ok {
				return fmt.Errorf("%s: %s is neither true nor false", r.at, r.key)
			}
			if r.key == "dns_lookup_kdc" {
				c.lookup = on
				continue // written by itself
			}
			value = strconv.FormatBool(on)
		case "ticket_lifetime", "renew_lifetime", "clockskew":
			d, ok := duration(value)
			if !ok {
				return fmt.Errorf("%s: %s is not a time; write it like 24h, 7d or 1:30:00", r.at, r.key)
			}
			value = strconv.FormatInt(int64(d/time.Second), 10) + "s"
		case "udp_preference_limit":
			if n, err := strconv.Atoi(value); err != nil || n < 0 || n > 32700 {
				return fmt.Errorf("%s: %s must be a number from 0 to 32700", r.at, r.key)
			}
		case "default_tkt_enctypes", "default_tgs_enctypes", "permitted_enctypes":
			types := encryptionTypes(value)
			if len(types) == 0 {
				return fmt.Errorf("%s: %s names no encryption type that is known here; there are %s", r.at, r.key, typeNames(defaultTypes))
			}
			if r.key != "default_tgs_enctypes" {
				c.asked = slices.DeleteFunc(slices.Clone(types), func(t int32) bool {
					return r.key == "permitted_enctypes" && seen["default_tkt_enctypes"] && !slices.Contains(c.asked, t)
				})
			}
			if r.key == "default_tkt_enctypes" {
				continue // asked is written by itself
			}
			value = typeNames(types)
		default:
			continue
		}
		c.lines = append(c.lines, r.key+" = "+value)
	}
	return nil
}

// addRealm takes a realm; one that stands in several files is one.
func (c *Conf) addRealm(r relation) {
	if !slices.Contains(c.realms, r.key) {
		c.realms = append(c.realms, r.key)
	}
	for _, s := range r.inner {
		if s.key != "kdc" && s.key != "master_kdc" && s.key != "primary_kdc" || strings.HasPrefix(s.value, "https://") {
			continue
		}
		address := strings.TrimPrefix(strings.TrimPrefix(s.value, "tcp/"), "udp/")
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(strings.Trim(address, "[]"), "88")
		}
		if !slices.Contains(c.servers[r.key], address) {
			c.servers[r.key] = append(c.servers[r.key], address)
		}
	}
}

// Check says what is missing for principals of a realm.
func (c *Conf) Check(realm string) error {
	switch {
	case len(c.servers[realm]) > 0 || c.lookup:
		return nil
	case slices.Contains(c.realms, realm):
		return fmt.Errorf("the realm %s has no kdc that can be asked; add kdc = host to it", redact.Key(realm))
	}
	return fmt.Errorf("the realm %s is not among its [realms] (%s); add it with its kdc, or correct the realm", redact.Key(realm), strings.Join(shown(c.realms), ", "))
}

func shown(names []string) []string {
	if len(names) == 0 {
		return []string{"there are none"}
	}
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, redact.Key(n))
	}
	return out
}

// text writes the configuration in the form that the Kerberos library reads, with
// the types that are asked for.
func (c *Conf) text(asked []int32) string {
	var out strings.Builder
	out.WriteString("[libdefaults]\n")
	for _, line := range c.lines {
		out.WriteString(line + "\n")
	}
	fmt.Fprintf(&out, "dns_lookup_kdc = %v\n", c.lookup)
	out.WriteString("default_tkt_enctypes = " + typeNames(asked) + "\n[realms]\n")
	for _, name := range c.realms {
		out.WriteString(name + " = {\n")
		for _, s := range c.servers[name] {
			out.WriteString("kdc = " + s + "\n")
		}
		out.WriteString("}\n")
	}
	out.WriteString("[domain_realm]\n")
	for _, r := range c.domains {
		out.WriteString(r.key + " = " + r.value + "\n")
	}
	return out.String()
}

func boolean(value string) (on, ok bool) {
	switch strings.ToLower(value) {
	case "y", "yes", "true", "t", "1", "on":
		return true, true
	case "n", "no", "false", "nil", "0", "off", "f":
		return false, true
	}
	return false, false
}

var (
	clock = regexp.MustCompile(`^(\d+):(\d+)(?::(\d+))?$`)
	piece = regexp.MustCompile(`^(\d+)\s*([a-z]*)[\s,]*`)
	units = map[string]time.Duration{"": time.Second, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
)

// duration reads 24h, 1d 2h, 24hours, 36000 and 10:30[:00].
func duration(value string) (time.Duration, bool) {
	const longest = 100 * 365 * 24 * time.Hour
	value = strings.ToLower(strings.TrimSpace(value))
	if m := clock.FindStringSubmatch(value); m != nil {
		value = m[1] + "h" + m[2] + "m"
		if m[3] != "" {
			value += m[3] + "s"
		}
	}
	var sum time.Duration
	for rest := value; rest != ""; {
		m := piece.FindStringSubmatch(rest)
		if m == nil {
			return 0, false
		}
		n, err := strconv.ParseInt(m[1], 10, 32)
		unit, known := units[m[2]]
		if !known { // hours, hrs, min, days
			unit, known = units[m[2][:1]]
			known = known && slices.Contains([]string{"sec", "second", "min", "minute", "hr", "hour", "day", "week"}, strings.TrimSuffix(m[2], "s"))
		}
		if err != nil || !known || m[2] == "" && m[0] != value {
			return 0, false
		}
		if sum += time.Duration(n) * unit; sum > longest || sum < 0 {
			return 0, false
		}
		rest = rest[len(m[0]):]
	}
	return sum, value != ""
}

// The encryption types that the Kerberos library can use, best first.
var (
	defaultTypes = []int32{18, 17, 20, 19, 23}
	nameOf       = map[int32]string{18: "aes256-cts-hmac-sha1-96", 17: "aes128-cts-hmac-sha1-96", 20: "aes256-cts-hmac-sha384-192", 19: "aes128-cts-hmac-sha256-128",
		23: "arcfour-hmac", 16: "des3-cbc-sha1-kd"}
	typesOf = map[string][]int32{
		"aes256-cts-hmac-sha1-96": {18}, "aes256-cts": {18}, "aes256-sha1": {18}, "aes128-cts-hmac-sha1-96": {17}, "aes128-cts": {17}, "aes128-sha1": {17},
		"aes256-cts-hmac-sha384-192": {20}, "aes256-sha2": {20}, "aes128-cts-hmac-sha256-128": {19}, "aes128-sha2": {19},
		"arcfour-hmac": {23}, "rc4-hmac": {23}, "arcfour-hmac-md5": {23}, "rc4": {23}, "aes": {18, 17, 20, 19},
		"des3-cbc-sha1": {16}, "des3-hmac-sha1": {16}, "des3-cbc-sha1-kd": {16}, "des3": {16}, "default": {18, 17, 20, 19, 23},
	}
)

// encryptionTypes reads a list with blanks or commas, families, and types that are
// taken off with a minus sign. What is not known is left out.
func encryptionTypes(value string) (out []int32) {
	for _, word := range strings.FieldsFunc(strings.ToLower(value), func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
		name, off := strings.CutPrefix(word, "-")
		for _, t := range typesOf[strings.TrimPrefix(name, "+")] {
			out = slices.DeleteFunc(out, func(have int32) bool { return off && have == t })
			if !off && !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	return out
}

func typeNames(types []int32) string {
	var names []string
	for _, t := range types {
		name, known := nameOf[t]
		if !known {
			name = fmt.Sprintf("type %d", t)
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}
