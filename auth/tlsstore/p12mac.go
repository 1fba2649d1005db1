package tlsstore

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// withMAC gives a PKCS #12 store without integrity check, as Java writes it with
// macAlgorithm NONE, the one that the password makes: the decoder reads a store
// with a password only together with its check. Any other store is returned as it
// is.
func withMAC(der []byte, password string) []byte {
	var pfx struct {
		Version  int
		AuthSafe struct {
			Type    asn1.ObjectIdentifier
			Content asn1.RawValue `asn1:"tag:0,explicit"`
		}
		MAC asn1.RawValue `asn1:"optional"`
	}
	if rest, err := asn1.Unmarshal(der, &pfx); password == "" || err != nil || len(rest) > 0 || len(pfx.MAC.FullBytes) > 0 {
		return der
	}
	var content []byte
	if _, err := asn1.Unmarshal(pfx.AuthSafe.Content.Bytes, &content); err != nil {
		if _, err = asn1.Unmarshal(pfx.AuthSafe.Content.FullBytes, &content); err != nil {
			return der
		}
	}
	salt := []byte("no check")
	mac := hmac.New(sha1.New, macKey(password, salt))
	mac.Write(content)
	type digestInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
	check, err := asn1.Marshal(struct {
		Mac        digestInfo
		Salt       []byte
		Iterations int
	}{digestInfo{pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, Parameters: asn1.NullRawValue}, mac.Sum(nil)}, salt, 1})
	if err != nil {
		return der
	}
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return der
	}
	out, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true, Bytes: append(bytes.Clone(outer.Bytes), check...)})
	if err != nil {
		return der
	}
	return out
}

// macKey is the key derivation of PKCS #12 (RFC 7292, appendix B) for SHA-1, one
// round and the purpose 3, an integrity check: a single digest.
func macKey(password string, salt []byte) []byte {
	const block = 64
	fill := func(b []byte) []byte {
		size := (len(b) + block - 1) / block * block
		return bytes.Repeat(b, size/max(len(b), 1)+1)[:size]
	}
	digest := sha1.New()
	digest.Write(bytes.Repeat([]byte{3}, block))
	digest.Write(fill(salt))
	digest.Write(fill(append(javaChars(password), 0, 0)))
	return digest.Sum(nil)
}
