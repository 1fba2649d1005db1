package services

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const registryStartLimit = 120 * time.Second

// RegistryServer is an Apicurio Registry. Its compatibility default is
// BACKWARD, as that of Confluent's Schema Registry is.
type RegistryServer struct {
	URL string // the base of the Confluent-compatible API

	dir  string
	proc *process
}

func (r *RegistryServer) stop() {
	if r.proc != nil {
		r.proc.kill() // it keeps nothing
	}
	os.RemoveAll(r.dir)
}

func startRegistry(ctx context.Context, orphan bool) (*RegistryServer, func(), error) {
	r, err := retryPorts(func() (*RegistryServer, error) { return startRegistryOnce(ctx, orphan) })
	if err != nil {
		return nil, nil, err
	}
	return r, r.stop, nil
}

func startRegistryOnce(ctx context.Context, orphan bool) (_ *RegistryServer, err error) {
	java, err := findJava(21)
	if err != nil {
		return nil, err
	}
	dist, err := InstallRegistry()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	r := &RegistryServer{URL: "http://" + loopback(ports[0]) + "/apis/ccompat/v7"}
	if r.dir, err = os.MkdirTemp("", "headrace-registry-"); err != nil {
		return nil, fmt.Errorf("start registry: %w", err)
	}
	defer func() {
		if err != nil {
			r.stop()
		}
	}()
	r.proc, err = launch(spec{
		name: "registry", dir: r.dir, orphan: orphan, path: filepath.Join(java, "bin", "java"),
		args: []string{"-Xms64m", "-Xmx512m",
			"-Dquarkus.http.host=127.0.0.1", "-Dquarkus.http.port=" + strconv.Itoa(ports[0]),
			"-Dquarkus.management.host=127.0.0.1", "-Dquarkus.management.port=" + strconv.Itoa(ports[1]),
			"-Dapicurio.rules.global.compatibility=BACKWARD",
			"-jar", filepath.Join(dist, "quarkus-run.jar")},
	})
	if err != nil {
		return nil, err
	}
	return r, r.proc.await(ctx, registryStartLimit, func() error { return answers(r.URL + "/subjects") })
}
