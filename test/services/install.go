package services

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Versions of what is installed.
const (
	KafkaVersion    = "4.3.1"
	KeycloakVersion = "26.7.3"
	RegistryVersion = "3.3.3"
)

// moduleRoot is the folder of go.mod above the working directory: tests and
// `go run` both start inside the module.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("find go.mod above the working directory: none; run inside the module")
		}
		dir = up
	}
}

// installed returns the folder of the cache with the name and fills it with
// fetch when it is not there yet. Processes that need it at the same time wait
// for the first; a fetch that fails leaves nothing behind.
func installed(name string, fetch func(dir string) error) (string, error) {
	cache, unlock, err := lockCache(name)
	if err != nil {
		return "", fmt.Errorf("install %s: %w", name, err)
	}
	defer unlock()
	dir := filepath.Join(cache, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	tmp, err := os.MkdirTemp(cache, name+".part-")
	if err != nil {
		return "", fmt.Errorf("install %s: %w", name, err)
	}
	defer os.RemoveAll(tmp)
	if err := fetch(tmp); err != nil {
		return "", fmt.Errorf("install %s: %w", name, err)
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", fmt.Errorf("install %s: %w", name, err)
	}
	if err := os.Rename(tmp, dir); err != nil {
		return "", fmt.Errorf("install %s: %w", name, err)
	}
	return dir, nil
}

// lockCache waits until no other process installs what the name stands for.
func lockCache(name string) (cache string, unlock func(), err error) {
	root, err := moduleRoot()
	if err != nil {
		return "", nil, err
	}
	cache = filepath.Join(root, "test", "services", ".cache")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", nil, err
	}
	f, err := os.OpenFile(filepath.Join(cache, name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return "", nil, err
	}
	return cache, func() { f.Close() }, nil // closing gives the lock back
}

// maven runs mvn in dir.
func maven(dir string, args ...string) error {
	return command(dir, "mvn", append([]string{"-q", "-B", "-ntp"}, args...)...)
}

// mavenCopy puts one artifact (group:name:version:type[:classifier]) into dir.
func mavenCopy(dir, artifact string) error {
	return maven(dir, "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy",
		"-Dartifact="+artifact, "-DoutputDirectory="+dir)
}

// command runs a program to its end; the error has the end of its output.
func command(dir, name string, args ...string) error {
	var out bytes.Buffer
	c := exec.Command(name, args...)
	c.Dir, c.Stdout, c.Stderr = dir, &out, &out
	if err := c.Run(); err != nil {
		b := bytes.TrimSpace(out.Bytes())
		if len(b) > tailBytes {
			b = b[len(b)-tailBytes:]
		}
		return fmt.Errorf("run %s: %w\n%s", name, err, b)
	}
	return nil
}
