package tlsstore

import (
	"encoding/binary"
	"fmt"
)

// wellFormed walks the lengths in a JKS store. The decoder believes them and
// would ask for gigabytes that a broken file promises.
//
// The form is that of Java's sun.security.provider.JavaKeyStore: magic,
// version, number of entries; an entry is its kind, alias, time, and either a
// key with its chain or one certificate; a digest of 20 bytes ends the store.
func wellFormed(b []byte) error {
	w := shape{rest: b}
	w.skip(4)
	version := w.uint32()
	for n := w.uint32(); n > 0 && w.err == nil; n-- {
		kind := w.uint32()
		w.text() // alias
		w.skip(8)
		switch kind {
		case 1:
			w.skip(int(w.uint32()))
			for chain := w.uint32(); chain > 0 && w.err == nil; chain-- {
				w.certificate(version)
			}
		case 2:
			w.certificate(version)
		default:
			return fmt.Errorf("an entry of unknown kind %d", kind)
		}
	}
	if w.err == nil && len(w.rest) != 20 {
		return fmt.Errorf("%d bytes in place of the digest", len(w.rest))
	}
	return w.err
}

// shape steps through a store.
type shape struct {
	rest []byte
	err  error
}

func (w *shape) skip(n int) {
	if w.err == nil && (n < 0 || n > len(w.rest)) {
		w.err = fmt.Errorf("a length of %d bytes where %d are left", n, len(w.rest))
	}
	if w.err == nil {
		w.rest = w.rest[n:]
	}
}

func (w *shape) uint32() uint32 {
	if w.err == nil && len(w.rest) < 4 {
		w.err = fmt.Errorf("it ends too early")
	}
	if w.err != nil {
		return 0
	}
	v := binary.BigEndian.Uint32(w.rest)
	w.rest = w.rest[4:]
	return v
}

func (w *shape) text() {
	if w.err == nil && len(w.rest) < 2 {
		w.err = fmt.Errorf("it ends too early")
	}
	if w.err == nil {
		w.skip(2 + int(binary.BigEndian.Uint16(w.rest)))
	}
}

func (w *shape) certificate(version uint32) {
	if version >= 2 {
		w.text() // the kind of certificate
	}
	w.skip(int(w.uint32()))
}
