package tlsstore

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"hash"

	"golang.org/x/crypto/scrypt"
)

// Encrypted PKCS #8 (RFC 5958) by PBES2 (RFC 8018), whose key comes from
// PBKDF2 or scrypt (RFC 7914).
type (
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Params struct {
		KDF, Cipher pkix.AlgorithmIdentifier
	}
	pbkdf2Params struct {
		Salt   []byte
		Rounds int
		Length int                      `asn1:"optional"`
		PRF    pkix.AlgorithmIdentifier `asn1:"optional"`
	}
	scryptParams struct {
		Salt    []byte
		N, R, P int
		Length  int `asn1:"optional"`
	}
)

const (
	oidPBES2  = "1.2.840.113549.1.5.13"
	oidPBKDF2 = "1.2.840.113549.1.5.12"
	oidScrypt = "1.3.6.1.4.1.11591.4.11"
)

// maxScrypt bounds N·r·p: 128 MiB of memory, four times what openssl itself
// reads unless told otherwise.
const maxScrypt = 1 << 20

var (
	errForm  = errors.New("form of encryption that is not read")
	errWrong = errors.New("not decrypted")
)

// prfs are the hashes of PBKDF2; SHA-1 is the default of the standard.
var prfs = map[string]func() hash.Hash{
	"": sha1.New, "1.2.840.113549.2.7": sha1.New,
	"1.2.840.113549.2.8": sha256.New224, "1.2.840.113549.2.9": sha256.New,
	"1.2.840.113549.2.10": sha512.New384, "1.2.840.113549.2.11": sha512.New,
}

var ciphers = map[string]struct {
	key   int
	block func([]byte) (cipher.Block, error)
}{
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
}

// decryptPKCS8 returns the key, or errWrong for a wrong password, errForm for
// encryption that it does not know, errRounds for one that would cost too much,
// errKind as parseDER, and ErrMalformed for what is not an encrypted key.
func decryptPKCS8(der []byte, password string) (crypto.PrivateKey, error) {
	var outer encryptedKey
	var params pbes2Params
	switch rest, err := asn1.Unmarshal(der, &outer); {
	case err != nil || len(rest) > 0:
		return nil, ErrMalformed
	case outer.Algorithm.Algorithm.String() != oidPBES2:
		return nil, errForm
	}
	if _, err := asn1.Unmarshal(outer.Algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, ErrMalformed
	}
	c, ok := ciphers[params.Cipher.Algorithm.String()]
	if !ok {
		return nil, errForm
	}
	var iv []byte
	if _, err := asn1.Unmarshal(params.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, ErrMalformed
	}
	key, err := deriveKey(params.KDF, password, c.key)
	if err != nil {
		return nil, err
	}
	block, err := c.block(key)
	if err != nil || len(iv) != block.BlockSize() || len(outer.Data) == 0 || len(outer.Data)%block.BlockSize() != 0 {
		return nil, ErrMalformed
	}
	plain := make([]byte, len(outer.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, outer.Data)
	padding := int(plain[len(plain)-1])
	if padding == 0 || padding > block.BlockSize() {
		return nil, errWrong
	}
	plain = plain[:len(plain)-padding]
	if keyKind(plain) == "" { // padding can be right by chance
		return nil, errWrong
	}
	return parseDER(plain)
}

func deriveKey(kdf pkix.AlgorithmIdentifier, password string, size int) ([]byte, error) {
	switch kdf.Algorithm.String() {
	case oidPBKDF2:
		var p pbkdf2Params
		if _, err := asn1.Unmarshal(kdf.Parameters.FullBytes, &p); err != nil || p.Rounds < 1 {
			return nil, ErrMalformed
		}
		prf, ok := prfs[p.PRF.Algorithm.String()]
		if !ok {
			return nil, errForm
		}
		if p.Rounds > maxRounds {
			return nil, errRounds
		}
		return pbkdf2.Key(prf, password, p.Salt, p.Rounds, size)
	case oidScrypt:
		var p scryptParams
		if _, err := asn1.Unmarshal(kdf.Parameters.FullBytes, &p); err != nil || p.N < 2 || p.R < 1 || p.P < 1 {
			return nil, ErrMalformed
		}
		if p.N > maxScrypt || p.R > maxScrypt/p.N || p.P > maxScrypt/p.N/p.R {
			return nil, errRounds
		}
		key, err := scrypt.Key([]byte(password), p.Salt, p.N, p.R, p.P, size)
		if err != nil {
			return nil, ErrMalformed
		}
		return key, nil
	}
	return nil, errForm
}
