package kerberos

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/types"
)

// key is one entry of a keytab that is made for a test.
type key struct {
	principal, realm string
	stamp            uint32
	version          uint32
	kind             uint16
	value            string
}

func makeKeytab(t *testing.T, keys ...key) string {
	t.Helper()
	out := []byte{5, 2}
	for i, k := range keys {
		parts := strings.Split(k.principal, "/")
		e := binary.BigEndian.AppendUint16(nil, uint16(len(parts)))
		for _, s := range append([]string{k.realm}, parts...) {
			e = append(binary.BigEndian.AppendUint16(e, uint16(len(s))), s...)
		}
		e = binary.BigEndian.AppendUint32(e, 1)
		e = binary.BigEndian.AppendUint32(e, k.stamp)
		e = append(e, byte(k.version))
		e = binary.BigEndian.AppendUint16(e, k.kind)
		e = append(binary.BigEndian.AppendUint16(e, uint16(len(k.value))), k.value...)
		e = binary.BigEndian.AppendUint32(e, k.version)
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(e))), e...)
		if i == 0 { // a hole, as ktutil leaves where an entry was taken out
			out = append(out, 0xff, 0xff, 0xff, 0xfc, 1, 2, 3, 4)
		}
	}
	return write(t, "k.keytab", string(out))
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const conf = "[libdefaults]\n default_realm = R\n[realms]\n R = {\n  kdc = kdc.example.com\n }\n"

// prepared is what the Kerberos library reads.
func prepared(t *testing.T, s Settings) (*config.Config, *keytab.Keytab, *Login) {
	t.Helper()
	l := New(s)
	t.Cleanup(l.Close)
	if err := l.Refresh(); err != nil {
		t.Fatal(err)
	}
	return library(t, l)
}

func library(t *testing.T, l *Login) (*config.Config, *keytab.Keytab, *Login) {
	t.Helper()
	confPath, secret, _ := l.Paths()
	c, err := config.Load(confPath)
	if err != nil {
		t.Fatal(err)
	}
	kt := keytab.New()
	if l.set.Keytab != "" {
		if kt, err = keytab.Load(secret); err != nil {
			t.Fatal(err)
		}
	}
	return c, kt, l
}

func TestTheKeytabDecidesWhatIsAskedFor(t *testing.T) {
	for _, tc := range []struct {
		name  string
		keys  []key
		types []int32
		want  string // the key of the first type
	}{
		{"aes128 only", []key{{"u", "R", 1, 2, 17, "128"}}, []int32{17}, "128"},
		{"as krb5.conf orders them", []key{{"u", "R", 1, 2, 23, "rc4"}, {"u", "R", 1, 2, 17, "128"}, {"u", "R", 1, 2, 18, "256"}}, []int32{18, 17, 23}, "256"},
		{"two versions of one time", []key{{"u", "R", 1, 1, 18, "old"}, {"u", "R", 1, 2, 18, "new"}}, []int32{18}, "new"},
		{"the other way round", []key{{"u", "R", 1, 2, 18, "new"}, {"u", "R", 1, 1, 18, "old"}}, []int32{18}, "new"},
		{"a version written later", []key{{"u", "R", 9, 1, 18, "old"}, {"u", "R", 1, 2, 18, "new"}}, []int32{18}, "new"},
		{"a count that began anew", []key{{"u", "R", 1, 255, 18, "old"}, {"u", "R", 2, 1, 18, "new"}}, []int32{18}, "new"},
		{"more than a byte", []key{{"u", "R", 1, 300, 18, "old"}, {"u", "R", 1, 301, 18, "new"}}, []int32{18}, "new"},
		{"a type that the new version has not", []key{{"u", "R", 1, 1, 18, "old"}, {"u", "R", 1, 2, 17, "new"}}, []int32{17}, "new"},
		{"others in it", []key{{"v", "R", 1, 9, 18, "other"}, {"u", "S", 1, 9, 18, "other"}, {"u/h", "R", 1, 9, 18, "other"}, {"u", "R", 1, 2, 18, "mine"}}, []int32{18}, "mine"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, kt, _ := prepared(t, Settings{Conf: write(t, "krb5.conf", conf), User: "u", Keytab: makeKeytab(t, tc.keys...)})
			if !slices.Equal(c.LibDefaults.DefaultTktEnctypeIDs, tc.types) {
				t.Errorf("asks for %v, want %v", c.LibDefaults.DefaultTktEnctypeIDs, tc.types)
			}
			got, _, err := kt.GetEncryptionKey(types.NewPrincipalName(1, "u"), "R", 0, tc.types[0])
			if err != nil || string(got.KeyValue) != tc.want {
				t.Errorf("uses the key %q, want %q: %v", got.KeyValue, tc.want, err)
			}
		})
	}
}

func TestFaultsOfALogin(t *testing.T) {
	good, kt := write(t, "krb5.conf", conf), makeKeytab(t, key{"u", "R", 1, 1, 18, "hunter2"}, key{"v/h", "R", 1, 1, 18, "hunter2"})
	whole, err := os.ReadFile(kt)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name          string
		s             Settings
		setting, want string
	}{
		{"text", Settings{Conf: good, User: "u", Keytab: write(t, "k", "hunter2")}, "keytab", "not a keytab"},
		{"nothing", Settings{Conf: good, User: "u", Keytab: write(t, "k", "")}, "keytab", "not a keytab"},
		{"half", Settings{Conf: good, User: "u", Keytab: write(t, "k", string(whole[:len(whole)-9]))}, "keytab", "damaged"},
		{"empty", Settings{Conf: good, User: "u", Keytab: write(t, "k", "\x05\x02")}, "keytab", "without a key"},
		{"no file", Settings{Conf: good, User: "u", Keytab: "/nowhere"}, "keytab", "check the path"},
		{"a folder", Settings{Conf: good, User: "u", Keytab: t.TempDir()}, "keytab", "folder"},
		{"of another", Settings{Conf: good, User: "w", Keytab: kt}, "keytab", `no key of "w@R"; it has those of "u@R", "v/h@R"`},
		{"types apart", Settings{Conf: write(t, "c", conf+"[libdefaults]\n default_tkt_enctypes = rc4\n"), User: "u", Keytab: kt}, "keytab", "keys of aes256-cts-hmac-sha1-96 for \"u@R\", and krb5.conf allows arcfour-hmac"},
		{"no realm", Settings{Conf: write(t, "c", "[realms]\n"), User: "u", Keytab: kt}, "realm", "default_realm"},
		{"realm unknown", Settings{Conf: write(t, "c", conf+"[libdefaults]\n dns_lookup_kdc = no\n"), User: "u", Realm: "X"}, "conf", `"X" is not among its [realms] ("R")`},
		{"no conf", Settings{Conf: "/nowhere", User: "u"}, "conf", "check the path"},
		{"cache of a keytab", Settings{Conf: good, CCache: kt}, "ccache", "not a credential cache"},
		{"cache of text", Settings{Conf: good, CCache: good}, "ccache", "not a credential cache"},
		{"no cache", Settings{Conf: good, CCache: "/nowhere"}, "ccache", "run kinit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.s.Check()
			var f *Fault
			if !errors.As(err, &f) || f.Setting != tc.setting || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("%+v, want %s: %s", err, tc.setting, tc.want)
			}
			if err := New(tc.s).Refresh(); err == nil {
				t.Fatal("a login all the same")
			}
		})
	}
}

func TestConf(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"conf.d/realm.conf": "[realms]\nR = {\n kdc = second.example.com:1088\n}\n", "conf.d/b-1": "[libdefaults]\n default_realm = R\n[domain_realm]\n .example.com = R\n",
		"conf.d/.hidden.conf": "x", "conf.d/old.conf~": "x", "one.conf": "[realms]\n R = {\n kdc = [::1]\n kdc = tcp/first.example.com\n kdc = https://proxy\n}\n",
		"circle.conf": "include circle.conf\n", "deep.conf": "include " + dir + "/bad.conf\n", "bad.conf": "[libdefaults]\n\n ticket_lifetime = soon\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := "\uFEFF# comment\r\ninclude one.conf\r\nincludedir " + dir + "/conf.d\r\nincludedir /nowhere\r\n[libdefaults]\r\n ticket_lifetime = 24hours ; a day\r\n" +
		" renew_lifetime = 7d 1h\r\n clockskew = 300\r\n default_realm = SECOND\r\n dns_lookup_kdc = off\r\n default_tkt_enctypes = aes256-cts, rc4-hmac camellia\r\n unknown_key = {\r\n  x = y\r\n }\r\n" +
		"[appdefaults]\r\n pam = {\r\n  ticket_lifetime = soon\r\n }\r\n"
	c, _, _ := prepared(t, Settings{Conf: filepath.Join(dir, "none.conf") + ":" + place(t, dir, text), User: "u"})
	d := c.LibDefaults
	if d.DefaultRealm != "R" || d.TicketLifetime != 24*time.Hour || d.RenewLifetime != 169*time.Hour || d.Clockskew != 5*time.Minute || d.DNSLookupKDC {
		t.Errorf("%+v", d)
	}
	if !slices.Equal(d.DefaultTktEnctypeIDs, []int32{18, 23}) || c.DomainRealm[".example.com"] != "R" {
		t.Errorf("%v %v", d.DefaultTktEnctypeIDs, c.DomainRealm)
	}
	if len(c.Realms) != 1 || !slices.Equal(c.Realms[0].KDC, []string{"[::1]:88", "first.example.com:88", "second.example.com:1088"}) {
		t.Errorf("%+v", c.Realms)
	}
	for text, want := range map[string]string{
		"include circle.conf\n": "circle", "[libdefaults]\n x\n": `:2: a line that is no section`, "[realms]\n R = {\n kdc = x\n": "has no }", "}\n": ":1: a } without",
		"[libdefaults]\n forwardable = maybe\n": ":2: forwardable is neither", "[libdefaults]\n ticket_lifetime = soon\n": ":2: ticket_lifetime is not a time",
		"include deep.conf\n": "bad.conf\":3: ticket_lifetime", "include none.conf\n": "no such file", "[libdefaults]\n permitted_enctypes = camellia\n": "names no encryption type",
		"[libdefaults\n": "begins where none can", "[libdefaults]\n udp_preference_limit = x\n": "number from 0",
	} {
		if _, err := ReadConf(place(t, dir, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func place(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, fmt.Sprintf("made-%d.txt", time.Now().UnixNano()))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"24h": 24 * time.Hour, "24hours": 24 * time.Hour, "1 day": 24 * time.Hour, "1d 2h 3m 4s": 26*time.Hour + 3*time.Minute + 4*time.Second,
		"36000": 10 * time.Hour, "10:30": 10*time.Hour + 30*time.Minute, "10:30:15": 10*time.Hour + 30*time.Minute + 15*time.Second, "10min": 10 * time.Minute, "2 hrs": 2 * time.Hour, "1w": 168 * time.Hour} {
		if got, ok := duration(text); !ok || got != want {
			t.Errorf("%q: %s, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "soon", "h", "24x", "24horses", "-1h", "1h2", "1.5h", "99999999999999999999", "999999999w"} {
		if got, ok := duration(text); ok {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}

// A keytab that is rotated is used by the next connection; one that is half written
// is not.
func TestRotation(t *testing.T) {
	path := makeKeytab(t, key{"u", "R", 1, 1, 18, "first"})
	_, _, l := prepared(t, Settings{Conf: write(t, "krb5.conf", conf), User: "u", Keytab: path})
	before, _, _ := l.Paths()
	for _, step := range []struct{ content, want string }{{"\x05\x02\x00", "first"}, {"", "second, longer"}} {
		content := []byte(step.content)
		if step.content == "" {
			var err error
			if content, err = os.ReadFile(makeKeytab(t, key{"u", "R", 1, 2, 18, "second, longer"})); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := l.Refresh(); err != nil {
			t.Fatal(err)
		}
		_, kt, _ := library(t, l)
		got, _, err := kt.GetEncryptionKey(types.NewPrincipalName(1, "u"), "R", 0, 18)
		if err != nil || string(got.KeyValue) != step.want {
			t.Fatalf("the key is %q, want %q: %v", got.KeyValue, step.want, err)
		}
	}
	if after, _, _ := l.Paths(); after != before {
		t.Fatalf("the name changed from %s to %s, which connections keep", before, after)
	}
}

func TestCCacheNames(t *testing.T) {
	for name, want := range map[string]string{"/tmp/cc": "/tmp/cc", "FILE:/tmp/cc": "/tmp/cc", "FILE:cc": "cc", "C:/cc": "C:/cc"} {
		if got, err := CCache(name); got != want || err != nil {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	for _, name := range []string{"KCM:", "KEYRING:persistent:0", "DIR:/tmp/cc", "API:x", "MEMORY:x"} {
		if _, err := CCache(name); err == nil || !strings.Contains(err.Error(), "kinit") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExplain(t *testing.T) {
	for text, want := range map[string]string{
		"[Root cause: Decrypting_Error] KRBMessage_Handling_Error: AS Exchange Error: AS_REP is not valid or client password/keytab incorrect":                                "the key does not fit",
		"[Root cause: Networking_Error] Networking_Error: AS Exchange Error: failed sending AS_REQ to KDC":                                                                    "cannot be reached",
		"[Root cause: KDC_Error] KDC_Error: AS Exchange Error: kerberos error response from KDC: KRB Error: (14) KDC_ERR_ETYPE_NOSUPP KDC has no support for encryption type": "permitted_enctypes",
		"KRB Error: (18) KDC_ERR_CLIENT_REVOKED Clients credentials have been revoked":                                                                                        "locked",
		"no KDC SRV records found for realm X": "add the realm",
		"[Root cause: X] Encoding_Error: y":    "exchange with the KDC failed",
		"dial tcp: connection refused":         "",
	} {
		if got := Explain(errors.New(text)); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzFiles(f *testing.F) {
	f.Add([]byte(conf))
	f.Add([]byte("\x05\x02\x00\x00\x00\x05\x00\x01\x00\x01R"))
	f.Add([]byte("\x05\x04\x00\x0c\x00\x01\x00\x08"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = ReadKeytab(path)
		_, _ = readCCache(path)
		c, err := ReadConf(path)
		if err != nil {
			return
		}
		if _, err := config.NewFromString(c.text(c.asked)); err != nil {
			t.Fatalf("the library refuses what was prepared: %v\n%s", err, c.text(c.asked))
		}
	})
}
