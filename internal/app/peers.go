package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/restproxy/consume"
)

// Peers is the peers section of http: what servers of a cluster prove
// themselves with when they pass the calls of consumers on.
type Peers struct {
	Secret connector.Secret `mapstructure:"secret" doc:"shared by all servers of the cluster, of at least 16 characters; default a secret of this machine where the server listens on loopback, else nothing is passed on"`
	Allow  []string         `mapstructure:"allow" doc:"hosts, addresses and networks such as 10.0.0.0/8 that the others may be at; default wherever a server with the secret says that it is"`
}

// minPeerSecret is the shortest secret: requests that are signed with it can
// be tried against guesses.
const minPeerSecret = 16

// Validate reports a secret that can be guessed.
func (p *Peers) Validate() []connector.Fault {
	if n := len(p.Secret); n > 0 && n < minPeerSecret {
		return []connector.Fault{{Path: "secret", Message: fmt.Sprintf("must have at least %d characters", minPeerSecret)}}
	}
	return nil
}

// members is how this server and the others prove themselves; nil without a
// way. Without a secret it is that of the machine, for servers on loopback.
func (p *Peers) members(listen string) (*consume.Members, error) {
	if p.Secret != "" {
		return &consume.Members{Secret: []byte(p.Secret), Allow: p.Allow}, nil
	}
	if at, err := netip.ParseAddrPort(listen); err != nil || !at.Addr().Unmap().IsLoopback() {
		return nil, nil
	}
	secret, err := machineSecret()
	if err != nil {
		return nil, err
	}
	return &consume.Members{Secret: secret, Allow: p.Allow, Loopback: true}, nil
}

// machineSecret is what the servers of one user on one machine share: a file
// that nobody else reads. The first one makes it.
func machineSecret() ([]byte, error) {
	folder, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	folder = filepath.Join(folder, "headrace")
	path := filepath.Join(folder, "peers")
	secret, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(folder, 0o700); err == nil {
			err = makeSecret(folder, path)
		}
		if err == nil {
			secret, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 || len(secret) < minPeerSecret {
		return nil, fmt.Errorf("%s must be readable by its owner only and hold a secret; remove it", path)
	}
	return secret, nil
}

// makeSecret writes the file whole or not at all; one that is there stays.
func makeSecret(folder, path string) error {
	f, err := os.CreateTemp(folder, "peers-*") // for its owner only
	if err != nil {
		return err
	}
	_, err = f.WriteString(rand.Text() + rand.Text())
	if err = errors.Join(err, f.Close()); err == nil {
		if err = os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
			err = nil
		}
	}
	return errors.Join(err, os.Remove(f.Name()))
}
