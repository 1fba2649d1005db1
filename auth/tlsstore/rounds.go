package tlsstore

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// maxRounds bounds the rounds of hashing that opening one store may cost, all
// its passwords taken together: some seconds of a CPU. openssl writes 2048 for
// each, keytool 10000.
const maxRounds = 5_000_000

var errRounds = errors.New("too many rounds of hashing")

func tooCostly(name string) error {
	return fmt.Errorf("%w: opening %s would take more than %d rounds of hashing; write it anew with fewer", ErrMalformed, name, maxRounds)
}

// Deepest nesting that is looked into; a real store has less than twenty.
const maxNesting = 40

// rounds adds up what the key derivations of a PKCS #12 store ask for, without
// deriving anything: those of the integrity check and of what is encrypted.
// Bytes that are not DER count nothing; the decoder will refuse them.
func rounds(der []byte) int64 {
	sum := algorithmRounds(der, maxNesting)
	var pfx struct {
		Version  int
		AuthSafe asn1.RawValue
		MAC      struct {
			Digest asn1.RawValue
			Salt   []byte
			Rounds *big.Int `asn1:"optional"`
		} `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(der, &pfx); err == nil && pfx.MAC.Rounds != nil {
		sum = addRounds(sum, pfx.MAC.Rounds)
	}
	return sum
}

// algorithmRounds walks DER, also inside of octet strings, for algorithm
// identifiers of PKCS #5 and PKCS #12 and the rounds in their parameters.
func algorithmRounds(der []byte, depth int) (sum int64) {
	children := elements(der)
	if depth == 0 {
		return 0
	}
	if len(children) >= 2 && children[0].Class == asn1.ClassUniversal && children[0].Tag == asn1.TagOID && children[1].IsCompound {
		var oid asn1.ObjectIdentifier
		if _, err := asn1.Unmarshal(children[0].FullBytes, &oid); err == nil && derives(oid.String()) {
			sum = firstInteger(elements(children[1].Bytes))
		}
	}
	for _, c := range children {
		octets := c.Class == asn1.ClassUniversal && c.Tag == asn1.TagOctetString
		if c.IsCompound || octets && len(c.Bytes) > 0 && c.Bytes[0] == 0x30 {
			sum = min(sum+algorithmRounds(c.Bytes, depth-1), maxRounds+1)
		}
	}
	return sum
}

func derives(oid string) bool {
	return strings.HasPrefix(oid, "1.2.840.113549.1.5.") || strings.HasPrefix(oid, "1.2.840.113549.1.12.1.")
}

func firstInteger(values []asn1.RawValue) int64 {
	for _, v := range values {
		if v.Class == asn1.ClassUniversal && v.Tag == asn1.TagInteger {
			n := new(big.Int)
			if _, err := asn1.Unmarshal(v.FullBytes, &n); err == nil {
				return addRounds(0, n)
			}
		}
	}
	return 0
}

// addRounds stops just above the bound.
func addRounds(sum int64, n *big.Int) int64 {
	if n.Sign() <= 0 {
		return sum
	}
	if !n.IsInt64() || n.Int64() > maxRounds {
		return maxRounds + 1
	}
	return min(sum+n.Int64(), maxRounds+1)
}

// elements are the DER values that stand one after another in b, up to the
// first that is not one.
func elements(b []byte) (out []asn1.RawValue) {
	for len(b) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(b, &v)
		if err != nil {
			return out
		}
		out, b = append(out, v), rest
	}
	return out
}
