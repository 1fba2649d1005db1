package services

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"syscall"
	"time"
)

// Held are services that were started to stay up after the process that
// started them, for work at a terminal. Env has what a shell needs to reach them.
type Held struct {
	Env  map[string]string
	PIDs []int    // leaders of the process groups to stop, in the order to stop them
	Dirs []string // what to remove then

	keycloak *KeycloakServer // the one that secure and keycloak mean; nil until started
}

func statePath() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "test", "services", "run", "held.json"), nil
}

// Hold starts the named services (kafka, kafka3, secure, keycloak, registry)
// and leaves them running. What was held before has to be released first.
func Hold(ctx context.Context, names []string) (*Held, error) {
	file, err := statePath()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(file); err == nil {
		return nil, errors.New("start services: some are running already; stop them first")
	}
	h := &Held{Env: map[string]string{}}
	for _, name := range names {
		if err := h.start(ctx, name); err != nil {
			h.halt()
			return nil, err
		}
	}
	b, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	return h, os.WriteFile(file, append(b, '\n'), 0o644)
}

func (h *Held) start(ctx context.Context, name string) error {
	switch name {
	case "kafka", "kafka3":
		n, env := 1, "KAFKA"
		if name == "kafka3" {
			n, env = 3, "KAFKA3"
		}
		k, _, err := StartKafka(ctx, KafkaOptions{Brokers: n, Orphan: true})
		if err != nil {
			return err
		}
		h.Env[env] = k.Address()
		h.keepKafka(k)
	case "keycloak":
		return h.startKeycloak(ctx)
	case "registry":
		r, _, err := startRegistry(ctx, true)
		if err != nil {
			return err
		}
		h.Env["SCHEMA_REGISTRY"] = r.URL
		h.keep(r.proc, r.dir)
	case "secure":
		return h.startSecure(ctx)
	default:
		return fmt.Errorf("start service %q: no such service; there are kafka, kafka3, secure, keycloak, registry", name)
	}
	return nil
}

func (h *Held) startSecure(ctx context.Context) error {
	kdc, _, err := startKDC(ctx, true)
	if err != nil {
		return err
	}
	h.keep(kdc.proc, kdc.dir)
	if err := h.startKeycloak(ctx); err != nil {
		return err
	}
	s, _, err := startSecure(ctx, h.keycloak, kdc, true)
	if err != nil {
		return err
	}
	h.keepKafka(s.kafka)
	for k, v := range map[string]string{
		"OPEN": s.Open, "MTLS": s.MTLS, "SASL": s.SASL, "SASL_TLS": s.SASLTLS, "MISNAMED": s.Misnamed, "KERBEROS": s.Kerberos,
	} {
		h.Env["SECURE_"+k] = v
	}
	h.Env["KRB5_CONFIG"], h.Env["EXPORTER_KEYTAB"] = kdc.Config, kdc.Keytab("exporter")
	return nil
}

// startKeycloak starts the identity provider unless it runs: the brokers of
// secure must know the one whose address and CA the environment names.
func (h *Held) startKeycloak(ctx context.Context) error {
	if h.keycloak != nil {
		return nil
	}
	kc, _, err := startKeycloak(ctx, true)
	if err != nil {
		return err
	}
	h.keycloak = kc
	h.Env["ISSUER"], h.Env["TOKEN_URL"], h.Env["TOKEN_URL_TLS"] = kc.Issuer, kc.TokenURL, kc.TokenURLTLS
	h.Env["CERTS"] = kc.dir
	h.keep(kc.proc, kc.dir)
	return nil
}

func (h *Held) keep(p *process, dir string) {
	h.PIDs = slices.Insert(h.PIDs, 0, p.pid)
	h.Dirs = append(h.Dirs, dir)
}

func (h *Held) keepKafka(k *KafkaCluster) {
	for _, b := range k.brokers {
		h.keep(b.proc, k.dir)
	}
}

// halt ends the groups by their recorded ids. An id that is not ours any more
// (the machine was started again) is left alone: its folder does not match.
func (h *Held) halt() {
	for _, pid := range h.PIDs {
		if !h.owns(pid) {
			continue
		}
		_ = syscall.Kill(-pid, syscall.SIGTERM)
		for end := time.Now().Add(stopGrace); h.owns(pid) && time.Now().Before(end); {
			time.Sleep(pollEvery)
		}
		if h.owns(pid) {
			_ = syscall.Kill(-pid, syscall.SIGKILL)
		}
	}
	for _, d := range h.Dirs {
		os.RemoveAll(d)
	}
}

// owns reports whether the process works in one of our folders.
func (h *Held) owns(pid int) bool {
	dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	return err == nil && slices.Contains(h.Dirs, dir)
}

// HeldServices returns what is held, or an error that says how to start it.
func HeldServices() (*Held, error) {
	file, err := statePath()
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errors.New("read held services: none are running; start them with: go run ./test/services/cmd start")
	}
	if err != nil {
		return nil, err
	}
	h := &Held{}
	return h, json.Unmarshal(b, h)
}

// Release stops what is held.
func Release() error {
	h, err := HeldServices()
	if err != nil {
		return err
	}
	h.halt()
	file, err := statePath()
	if err != nil {
		return err
	}
	return os.Remove(file)
}

// Exports are shell lines that set the environment.
func (h *Held) Exports() []string {
	var lines []string
	for k, v := range h.Env {
		lines = append(lines, fmt.Sprintf("export %s=%q", k, v))
	}
	sort.Strings(lines)
	return lines
}
