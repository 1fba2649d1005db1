package services

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var javaVersion = regexp.MustCompile(`version "(?:1\.)?(\d+)`)

// findJava returns the home of the first JDK of at least the version: that of
// JAVA_HOME, of PATH, then the newest of /usr/lib/jvm.
func findJava(least int) (string, error) {
	var tried []string
	for _, home := range javaHomes() {
		out, err := exec.Command(filepath.Join(home, "bin", "java"), "-version").CombinedOutput()
		m := javaVersion.FindSubmatch(out)
		if err != nil || m == nil {
			continue
		}
		have, _ := strconv.Atoi(string(m[1]))
		if have >= least {
			return home, nil
		}
		tried = append(tried, fmt.Sprintf("%s is %d", home, have))
	}
	return "", fmt.Errorf("find Java %d or later: none (%s); install one and set JAVA_HOME", least, strings.Join(tried, ", "))
}

func javaHomes() []string {
	var homes []string
	if h := os.Getenv("JAVA_HOME"); h != "" {
		homes = append(homes, h)
	}
	if p, err := exec.LookPath("java"); err == nil {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			homes = append(homes, filepath.Dir(filepath.Dir(real)))
		}
	}
	installed, _ := filepath.Glob("/usr/lib/jvm/*/bin/java")
	slices.Sort(installed)
	slices.Reverse(installed) // newer names sort later on the usual systems
	for _, j := range installed {
		homes = append(homes, filepath.Dir(filepath.Dir(j)))
	}
	return homes
}
