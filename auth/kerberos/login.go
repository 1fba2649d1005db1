// Package kerberos prepares logins with Kerberos: it reads krb5.conf and keytabs
// as MIT's library does, and gives the Kerberos library, which reads less, what is
// meant: a configuration without includes and other spellings, that asks for the
// encryption types of the keytab only, and a keytab with the latest keys alone.
//
// No error holds a key.
package kerberos

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/redact"
)

// Settings are a principal and where its secrets are.
type Settings struct {
	Conf        string // krb5.conf, or several with colons between them
	User, Realm string // an empty Realm is the default one
	Keytab      string // "" when a password or a cache is used
	CCache      string // credential cache; it names the principal
}

// Login keeps the prepared files of a principal. It is safe for concurrent use.
type Login struct {
	set Settings

	mu           sync.Mutex
	conf, secret *memfile // secret is the keytab or the cache
	stamps       string
	realm        string
	loaded       bool
}

// New prepares a Login; nothing is read before Refresh.
func New(s Settings) *Login { return &Login{set: s, conf: newMemfile(), secret: newMemfile()} }

// Refresh reads the files when they have changed. Those that were readable once
// and are not now (half written, say) keep their last content.
func (l *Login) Refresh() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := stamp(l.set.Conf + ":" + l.set.Keytab + l.set.CCache)
	if l.loaded && now == l.stamps {
		return nil
	}
	err := l.load()
	switch {
	case err == nil:
		l.stamps, l.loaded = now, true
	case l.loaded:
		return nil
	}
	return err
}

func (l *Login) load() error {
	got, err := l.set.read()
	if err != nil {
		return err
	}
	l.realm = l.set.realm(got.conf)
	if err := l.conf.write([]byte(got.conf.text(got.asked))); err != nil {
		return err
	}
	return l.secret.write(got.secret)
}

// Paths are the prepared configuration, the prepared keytab or cache, and the
// realm; Refresh comes first.
func (l *Login) Paths() (conf, secret, realm string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conf.path(), l.secret.path(), l.realm
}

// Close removes the prepared files.
func (l *Login) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conf.close()
	l.secret.close()
	l.loaded = false
}

// Fault is what is wrong with one of the settings.
type Fault struct {
	Setting string // conf, realm, keytab or ccache
	Err     error
}

// Error is the text of what is wrong.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns it.
func (f *Fault) Unwrap() error { return f.Err }

// Check reads everything and reports the first fault, a *Fault.
func (s Settings) Check() error {
	_, err := s.read()
	return err
}

func (s Settings) realm(c *Conf) string {
	if s.Realm != "" {
		return s.Realm
	}
	return c.DefaultRealm
}

// material is what a login needs.
type material struct {
	conf   *Conf
	asked  []int32 // encryption types
	secret []byte  // the keytab or the cache
}

func (s Settings) read() (got material, err error) {
	var keytab *Keytab
	if s.Keytab != "" {
		if keytab, err = ReadKeytab(s.Keytab); err != nil {
			return material{}, &Fault{"keytab", err}
		}
	}
	if s.CCache != "" {
		if got.secret, err = readCCache(s.CCache); err != nil {
			return material{}, &Fault{"ccache", err}
		}
	}
	if got.conf, err = ReadConf(s.Conf); err != nil {
		return material{}, &Fault{"conf", err}
	}
	got.asked = got.conf.asked
	if s.CCache != "" {
		return got, nil
	}
	realm := s.realm(got.conf)
	if realm == "" {
		return material{}, &Fault{"realm", fmt.Errorf("is missing, and %s names no default_realm; write username as name@REALM, or give kerberos_realm", redact.Path(s.Conf))}
	}
	if err := got.conf.Check(realm); err != nil {
		return material{}, &Fault{"conf", fmt.Errorf("%s: %w", redact.Path(s.Conf), err)}
	}
	if keytab == nil {
		return got, nil
	}
	principal := s.User + "@" + realm
	if got.asked, err = keytab.Choose(principal, got.conf.asked); err != nil {
		return material{}, &Fault{"keytab", err}
	}
	got.secret = keytab.only(principal)
	return got, nil
}

// stamp is something that changes with the files. What they include is looked at
// with them: a change there counts once the file itself is touched.
func stamp(paths string) string {
	var out strings.Builder
	for path := range strings.SplitSeq(paths, ":") {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintf(&out, "%s %d %s\n", path, info.Size(), info.ModTime().Format(time.RFC3339Nano))
		}
	}
	return out.String()
}
