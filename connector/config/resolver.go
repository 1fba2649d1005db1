package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/headrace/headrace/connector"
)

// The bounds of what is read from outside.
const (
	maxSource   = 1 << 20 // bytes of a configuration file
	maxInsert   = 1 << 20 // bytes of one ${file:…}
	maxInserted = 8 << 20 // bytes that all insertions of a document may come to
)

// Resolver gives access to what lies outside a file: the environment, other
// files, and the Masker that learns which values are secret. A nil field is
// replaced by what NewResolver sets.
type Resolver struct {
	LookupEnv func(name string) (value string, ok bool)
	ReadFile  func(path string) ([]byte, error)
	Masker    *Masker
}

// NewResolver returns a Resolver on the process's environment and file system
// (files of at most 1 MiB) with an empty Masker.
func NewResolver() *Resolver {
	return &Resolver{LookupEnv: os.LookupEnv, ReadFile: readBounded, Masker: new(Masker)}
}

func (r *Resolver) complete() *Resolver {
	full := NewResolver()
	if r == nil {
		return full
	}
	if r.LookupEnv != nil {
		full.LookupEnv = r.LookupEnv
	}
	if r.ReadFile != nil {
		full.ReadFile = r.ReadFile
	}
	if r.Masker != nil {
		full.Masker = r.Masker
	}
	return full
}

func readBounded(path string) (content []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	content, err = io.ReadAll(io.LimitReader(f, maxSource+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxSource {
		return nil, fmt.Errorf("larger than %d bytes", maxSource)
	}
	return content, nil
}

// readError leaves out the path, which the message that it goes into has.
func readError(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) && errors.Is(err, fs.ErrNotExist) {
		return "there is no such file" + connector.LookedAt(pathError.Path, "", "the current folder")
	}
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}
