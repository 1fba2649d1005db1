package services

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	kdcProgram    = "/usr/sbin/krb5kdc"
	kdcStartLimit = 30 * time.Second
)

// KDC is an MIT Kerberos key distribution centre. Principals with keytabs:
// kafka/localhost (the brokers), exporter, noaccess; alice has a password.
type KDC struct {
	Realm  string
	Config string // krb5.conf

	dir  string
	env  []string
	proc *process
}

// Keytab is the keytab file of the principal with that name (kafka, exporter
// or noaccess).
func (k *KDC) Keytab(name string) string { return filepath.Join(k.dir, name+".keytab") }

func (k *KDC) stop() {
	if k.proc != nil {
		k.proc.stop()
	}
	os.RemoveAll(k.dir)
}

func startKDC(ctx context.Context, orphan bool) (*KDC, func(), error) {
	if err := InstallKerberos(); err != nil {
		return nil, nil, err
	}
	k, err := retryPorts(func() (*KDC, error) { return startKDCOnce(ctx, orphan) })
	if err != nil {
		return nil, nil, err
	}
	return k, k.stop, nil
}

func startKDCOnce(ctx context.Context, orphan bool) (_ *KDC, err error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	k := &KDC{Realm: "TEST.LOCAL"}
	if k.dir, err = os.MkdirTemp("", "headrace-krb5-"); err != nil {
		return nil, fmt.Errorf("start kerberos: %w", err)
	}
	defer func() {
		if err != nil {
			k.stop()
		}
	}()
	k.Config = filepath.Join(k.dir, "krb5.conf")
	profile := filepath.Join(k.dir, "kdc.conf")
	k.env = []string{"KRB5_CONFIG=" + k.Config, "KRB5_KDC_PROFILE=" + profile, "KRB5CCNAME=" + filepath.Join(k.dir, "cache")}
	vars := map[string]any{"Realm": k.Realm, "Port": strconv.Itoa(ports[0]), "Dir": k.dir}
	for name, file := range map[string]string{"krb5.conf": k.Config, "kdc.conf": profile} {
		if err := render(name, file, vars); err != nil {
			return nil, err
		}
	}
	if err := k.fill(); err != nil {
		return nil, fmt.Errorf("start kerberos: %w", err)
	}
	k.proc, err = launch(spec{name: "krb5kdc", dir: k.dir, env: k.env, orphan: orphan, path: kdcProgram, args: []string{"-n"}})
	if err != nil {
		return nil, err
	}
	return k, k.proc.await(ctx, kdcStartLimit, func() error {
		return k.run("kinit", "-k", "-t", k.Keytab("exporter"), "exporter@"+k.Realm)
	})
}

// fill makes the database and its principals.
func (k *KDC) fill() error {
	if err := k.run("/usr/sbin/kdb5_util", "create", "-s", "-r", k.Realm, "-P", Secret("master")); err != nil {
		return err
	}
	for name, principal := range map[string]string{"kafka": "kafka/localhost", "exporter": "exporter", "noaccess": "noaccess"} {
		for _, q := range []string{
			"addprinc -randkey " + principal + "@" + k.Realm,
			"ktadd -k " + k.Keytab(name) + " " + principal + "@" + k.Realm,
		} {
			if err := k.run("/usr/sbin/kadmin.local", "-q", q); err != nil {
				return err
			}
		}
	}
	return k.run("/usr/sbin/kadmin.local", "-q", "addprinc -pw "+Secret("alice")+" alice@"+k.Realm)
}

func (k *KDC) run(name string, args ...string) error {
	return command(k.dir, "env", append(append([]string{}, k.env...), append([]string{name}, args...)...)...)
}
