package auth

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// File is a source of a token that something else keeps fresh in a file; it is
// read at each call.
func File(path string) TokenSource {
	return TokenSourceFunc(func(ctx context.Context) (Token, error) {
		value, err := readToken(path)
		if err != nil {
			return Token{}, err
		}
		return Static(connector.Secret(value)).Token(ctx)
	})
}

// CheckFile reads a token file as File does.
func CheckFile(path string) error {
	_, err := readToken(path)
	return err
}

// readToken reads a token that a platform keeps fresh in a file. Blanks and a
// byte order mark around it are left out.
func readToken(path string) (string, error) {
	text, err := readSmall("the token file", path)
	if err != nil {
		return "", err
	}
	tok := strings.TrimSpace(strings.TrimPrefix(text, "\uFEFF"))
	switch {
	case tok == "":
		return "", connector.Errorf(connector.Unauthenticated, "reading the token file %s: it must hold one token", redact.Path(path))
	case strings.ContainsAny(tok, " \r\n\t"):
		return "", connector.Errorf(connector.Unauthenticated, "reading the token file %s: it must hold one token and nothing else", redact.Path(path))
	}
	return tok, nil
}

// readSecret reads a secret as ${file:…} does: without the newline at its end.
func readSecret(path string) (string, error) {
	text, err := readSmall("the file of the client secret", path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if secret == "" {
		return "", connector.Errorf(connector.Unauthenticated, "reading the file of the client secret %s: it is empty", redact.Path(path))
	}
	return secret, nil
}

// readSmall reads a file that a secret stands in; a device or a pipe has no size.
func readSmall(what, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", connector.Errorf(connector.Unauthenticated, "reading %s: %w; check the path and the rights", what, redact.File(err))
	}
	defer func() { _ = file.Close() }()
	b, err := io.ReadAll(io.LimitReader(file, maxTokenFileBytes+1))
	switch {
	case err != nil:
		return "", connector.Errorf(connector.Unauthenticated, "reading %s: %w; check the path and the rights", what, redact.File(err))
	case len(b) > maxTokenFileBytes:
		return "", connector.Errorf(connector.Unauthenticated, "reading %s %s: it is larger than %d KiB and cannot be one", what, redact.Path(path), maxTokenFileBytes>>10)
	}
	return string(b), nil
}
