package tlsstore

import (
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
)

// jksStore is what a JKS store holds, by its entries. Keys are still
// encrypted.
type jksStore struct {
	keys    []jksKey
	trusted []jksCertificate
}

type jksKey struct {
	alias  string
	sealed []byte
	chain  [][]byte
}

type jksCertificate struct {
	alias string
	der   []byte
}

// errDigest is a store whose digest is not that of its bytes and the password.
var errDigest = errors.New("the digest does not fit")

// parseJKS reads a store of the form of Java's sun.security.provider.JavaKeyStore:
// magic, version, number of entries; an entry is its kind, alias, time, and either
// a key with its chain or one certificate; a digest of 20 bytes ends the store. It
// is checked when there is a password; Java opens a store without one as well.
// Every length is held against the bytes that are there.
func parseJKS(b []byte, password string) (jksStore, error) {
	var out jksStore
	r := jksReader{rest: b}
	r.take(4)
	version := r.uint32()
	for n := r.uint32(); n > 0 && r.err == nil; n-- {
		kind := r.uint32()
		alias := string(r.text())
		r.take(8)
		switch kind {
		case 1:
			key := jksKey{alias: alias, sealed: r.take(r.uint32())}
			for chain := r.uint32(); chain > 0 && r.err == nil; chain-- {
				key.chain = append(key.chain, r.certificate(version))
			}
			out.keys = append(out.keys, key)
		case 2:
			out.trusted = append(out.trusted, jksCertificate{alias, r.certificate(version)})
		default:
			if r.err == nil {
				r.err = fmt.Errorf("an entry of unknown kind %d", kind)
			}
		}
	}
	if r.err == nil && len(r.rest) != sha1.Size {
		r.err = fmt.Errorf("%d bytes in place of the digest", len(r.rest))
	}
	if r.err != nil || password == "" {
		return out, r.err
	}
	digest := sha1.New()
	digest.Write(javaChars(password))
	digest.Write([]byte("Mighty Aphrodite"))
	digest.Write(b[:len(b)-sha1.Size])
	if subtle.ConstantTimeCompare(digest.Sum(nil), r.rest) != 1 {
		return out, errDigest
	}
	return out, nil
}

// javaChars is text as Java hashes it: two bytes for each char, the high one
// first.
func javaChars(text string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = binary.BigEndian.AppendUint16(out, unit)
	}
	return out
}

// openJKSKey decrypts a key as sun.security.provider.KeyProtector does: a salt,
// the key under a stream of SHA-1 digests, and a digest of the plain key. The
// result is PKCS #8.
func openJKSKey(sealed []byte, password string) ([]byte, error) {
	var info encryptedKey
	const protector = "1.3.6.1.4.1.42.2.17.1.1"
	if rest, err := asn1.Unmarshal(sealed, &info); err != nil || len(rest) > 0 {
		return nil, ErrMalformed
	}
	if info.Algorithm.Algorithm.String() != protector {
		return nil, errForm
	}
	if len(info.Data) < 2*sha1.Size {
		return nil, ErrMalformed
	}
	secret := javaChars(password)
	stream, plain := info.Data[:sha1.Size], bytes.Clone(info.Data[sha1.Size:len(info.Data)-sha1.Size])
	for at := range plain {
		if at%sha1.Size == 0 {
			next := sha1.Sum(append(secret[:len(secret):len(secret)], stream...))
			stream = next[:]
		}
		plain[at] ^= stream[at%sha1.Size]
	}
	digest := sha1.Sum(append(secret[:len(secret):len(secret)], plain...))
	if subtle.ConstantTimeCompare(digest[:], info.Data[len(info.Data)-sha1.Size:]) != 1 {
		return nil, errWrong
	}
	return plain, nil
}

// jksReader steps through a store.
type jksReader struct {
	rest []byte
	err  error
}

func (r *jksReader) take(n uint32) []byte {
	if r.err == nil && uint64(n) > uint64(len(r.rest)) {
		r.err = fmt.Errorf("a length of %d bytes where %d are left", n, len(r.rest))
	}
	if r.err != nil {
		return nil
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

func (r *jksReader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *jksReader) text() []byte {
	b := r.take(2)
	if b == nil {
		return nil
	}
	return r.take(uint32(binary.BigEndian.Uint16(b)))
}

func (r *jksReader) certificate(version uint32) []byte {
	if version >= 2 {
		r.text() // the kind of certificate
	}
	return r.take(r.uint32())
}
