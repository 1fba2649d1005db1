package services

import (
	"fmt"
	"os"
	"path/filepath"
)

// InstallKeycloak returns Keycloak's folder. Its start-up code is generated
// here once: without that each start spends half a minute on it.
func InstallKeycloak() (string, error) {
	return installed("keycloak-"+KeycloakVersion, func(dir string) error {
		if err := mavenCopy(dir, "org.keycloak:keycloak-quarkus-dist:"+KeycloakVersion+":zip"); err != nil {
			return err
		}
		home, err := findJava(21)
		if err != nil {
			return err
		}
		// jar reads zip files wherever there is a JDK; unzip may be missing
		archive := "keycloak-quarkus-dist-" + KeycloakVersion + ".zip"
		if err := command(dir, filepath.Join(home, "bin", "jar"), "xf", archive); err != nil {
			return err
		}
		if err := os.Remove(filepath.Join(dir, archive)); err != nil {
			return err
		}
		dist := filepath.Join(dir, "keycloak-"+KeycloakVersion)
		return command(dist, "env", "JAVA_HOME="+home, "sh", filepath.Join(dist, "bin", "kc.sh"),
			"build", "--db=dev-mem")
	})
}

// InstallRegistry returns Apicurio Registry's folder.
func InstallRegistry() (string, error) {
	return installed("registry-"+RegistryVersion, func(dir string) error {
		if err := mavenCopy(dir, "io.apicurio:apicurio-registry-app:"+RegistryVersion+":tar.gz:all"); err != nil {
			return err
		}
		archive := "apicurio-registry-app-" + RegistryVersion + "-all.tar.gz"
		if err := command(dir, "tar", "-xzf", archive); err != nil {
			return err
		}
		return os.Remove(filepath.Join(dir, archive))
	})
}

// InstallKerberos makes sure that the KDC of MIT Kerberos is on the machine;
// where it is not, Debian's packages are installed, which takes root. Processes
// that need it at the same time wait for the first.
func InstallKerberos() error {
	_, unlock, err := lockCache("krb5")
	if err != nil {
		return fmt.Errorf("install kerberos: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(kdcProgram); err == nil {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("install kerberos: %s is missing and this is not root; run: apt-get install krb5-kdc krb5-admin-server krb5-user", kdcProgram)
	}
	const env = "DEBIAN_FRONTEND=noninteractive"
	if err := command("/", "env", env, "apt-get", "install", "-y", "--no-install-recommends", "krb5-kdc", "krb5-admin-server", "krb5-user"); err != nil {
		return fmt.Errorf("install kerberos: %w", err)
	}
	return nil
}
