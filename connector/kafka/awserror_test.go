package kafka

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Amazon's library repeats all that a credential_process printed when that is
// not what it should be: none of it reaches the error.
func TestWhatACredentialProcessPrintsIsNotShown(t *testing.T) {
	const secrets = `{"Version": %s, "AccessKeyId": "ASIAIOSFODNN7EXAMPLE", "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "SessionToken": "geheimes-session-token"}`
	for name, tc := range map[string]struct{ prints, want string }{
		"a warning first": {"echo Warning: old version\ncat <<'END'\n" + fmt.Sprintf(secrets, "1") + "\nEND", "the credential_process of profile cp printed something that is not JSON"},
		"cut":             {"cat <<'END'\n" + fmt.Sprintf(secrets, "1")[:100] + "\nEND", "printed something that is not JSON"},
		"an old version":  {"cat <<'END'\n" + fmt.Sprintf(secrets, "2") + "\nEND", "whose Version is not 1"},
		"it fails":        {"cat <<'END' >&2\n\nEND\necho geheimes-session-token\nexit 7", "failed with exit code 7"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			script, conf := filepath.Join(dir, "creds.sh"), filepath.Join(dir, "config")
			if err := os.WriteFile(script, []byte("#!/bin/sh\n"+tc.prints+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(conf, []byte("[profile cp]\ncredential_process = "+script+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_CONFIG_FILE", conf)
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "none"))
			c := cluster(t, awsSettings(func(s *SASL) { s.AWSAccessKeyID, s.AWSSecretAccessKey, s.AWSProfile = "", "", "cp" }))
			_, _, err := c.Token(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			for _, secret := range []string{"ASIAIOSF", "wJalrXUt", "K7MDENG", "geheimes"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q shows in %v", secret, err)
				}
			}
		})
	}
}
