package kerberos

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/redact"
)

const maxKeytab = 1 << 20

// Keytab is a file with the keys of principals
// (https://web.mit.edu/kerberos/krb5-latest/doc/formats/keytab_file_format.html).
type Keytab struct{ entries []entry }

type entry struct {
	principal string // with its realm
	stamp     uint32 // when it was written
	version   uint32 // of the key
	kind      int32  // encryption type
	raw       []byte // as in the file, without its length
}

// ReadKeytab reads the file at path. No error holds any of its bytes.
func ReadKeytab(path string) (*Keytab, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w; check the path and the rights", redact.File(err))
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder; give a file", redact.Path(path))
	}
	b, err := io.ReadAll(io.LimitReader(file, maxKeytab+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w; check the path and the rights", redact.File(err))
	case len(b) < 2 || len(b) > maxKeytab || b[0] != 5 || b[1] != 1 && b[1] != 2:
		return nil, fmt.Errorf("%s is not a keytab; make one with ktutil, or with ktadd of kadmin", redact.Path(path))
	case b[1] == 1:
		return nil, fmt.Errorf("%s is a keytab of the first format, which is not read; write it anew with ktutil", redact.Path(path))
	}
	kt, ok := parseKeytab(b[2:])
	if !ok {
		return nil, fmt.Errorf("%s is a damaged keytab; export it anew", redact.Path(path))
	}
	if len(kt.entries) == 0 {
		return nil, fmt.Errorf("%s is a keytab without a key; export it anew", redact.Path(path))
	}
	return kt, nil
}

// parseKeytab reads entries: each a length and so many bytes; a negative length is
// a hole, and zero the end.
func parseKeytab(b []byte) (*Keytab, bool) {
	kt := &Keytab{}
	for len(b) >= 4 {
		size := int32(binary.BigEndian.Uint32(b))
		b = b[4:]
		hole := size < 0
		n := int64(size)
		if hole {
			n = -n
		}
		if n == 0 {
			break
		}
		if n > int64(len(b)) {
			return nil, false
		}
		if !hole {
			e, ok := parseEntry(b[:n])
			if !ok {
				return nil, false
			}
			kt.entries = append(kt.entries, e)
		}
		b = b[n:]
	}
	return kt, true
}

func parseEntry(raw []byte) (entry, bool) {
	e := entry{raw: raw}
	rest, ok := raw, true
	number := func(size int) (v uint32) {
		if ok = ok && len(rest) >= size; !ok {
			return 0
		}
		for _, b := range rest[:size] {
			v = v<<8 | uint32(b)
		}
		rest = rest[size:]
		return v
	}
	text := func() string {
		n := int(number(2))
		if ok = ok && len(rest) >= n; !ok {
			return ""
		}
		s := string(rest[:n])
		rest = rest[n:]
		return s
	}
	parts := int(number(2))
	realm := text()
	var names []string
	for range parts {
		if !ok {
			break
		}
		names = append(names, text())
	}
	number(4) // the kind of name
	e.stamp, e.version = number(4), number(1)
	e.kind = int32(int16(number(2)))
	key := text()
	if ok && len(rest) >= 4 {
		if v := number(4); v != 0 {
			e.version = v
		}
	}
	e.principal = strings.Join(names, "/") + "@" + realm
	return e, ok && key != ""
}

// newer reports whether a is a later key than b, as MIT's library sees it: by the
// version, unless a small one was written after a large one, which means that the
// count has begun anew.
func newer(a, b entry) bool {
	switch {
	case a.version < 128 && b.version > 240 && a.stamp >= b.stamp:
		return true
	case a.version > 240 && b.version < 128 && a.stamp <= b.stamp:
		return false
	}
	return a.version > b.version
}

// Keys are the entries of a principal's latest version, one of each encryption
// type.
func (kt *Keytab) keys(principal string) (out []entry) {
	for _, e := range kt.entries {
		switch {
		case e.principal != principal:
		case len(out) == 0 || newer(e, out[0]):
			out = []entry{e}
		case !newer(out[0], e) && !slices.ContainsFunc(out, func(have entry) bool { return have.kind == e.kind }):
			out = append(out, e)
		}
	}
	return out
}

// principals are the names in the keytab, each once.
func (kt *Keytab) principals() (out []string) {
	for _, e := range kt.entries {
		if !slices.Contains(out, e.principal) {
			out = append(out, e.principal)
		}
	}
	return out
}

// Choose returns the encryption types of a principal's keys, in the order in which
// they are to be asked for, or says what does not fit.
func (kt *Keytab) Choose(principal string, asked []int32) ([]int32, error) {
	keys := kt.keys(principal)
	if len(keys) == 0 {
		held := shown(kt.principals())
		if len(held) > 5 {
			held = append(held[:5], "…")
		}
		return nil, fmt.Errorf("the keytab holds no key of %s; it has those of %s", redact.Key(principal), strings.Join(held, ", "))
	}
	var types, have []int32
	for _, t := range asked {
		if slices.ContainsFunc(keys, func(e entry) bool { return e.kind == t }) {
			types = append(types, t)
		}
	}
	for _, e := range keys {
		have = append(have, e.kind)
	}
	if len(types) == 0 {
		return nil, fmt.Errorf("the keytab has keys of %s for %s, and krb5.conf allows %s; export a key of a type that both have", typeNames(have), redact.Key(principal), typeNames(asked))
	}
	return types, nil
}

// only writes a keytab with the keys of a principal's latest version.
func (kt *Keytab) only(principal string) []byte {
	out := []byte{5, 2}
	for _, e := range kt.keys(principal) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(e.raw)))
		out = append(out, e.raw...)
	}
	return out
}
