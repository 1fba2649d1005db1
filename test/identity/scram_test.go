//go:build integration

package identity

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/test/services"
)

// Passwords that SASLprep would change or refuse log in as Java's clients do:
// Kafka keeps what was hashed from the bytes as they are.
func TestSCRAMPasswordsBeyondASCII(t *testing.T) {
	s := services.SecureKafka(t)
	cl, err := s.Admin()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	passwords := []string{"pa\u0308ss", "½", "™", "ﬁx", "a\u00a0b", "🔑", "x\u200by", "=,="}
	for mechanism, as := range map[string]kadm.ScramMechanism{kafka.MechanismSCRAM256: kadm.ScramSha256, kafka.MechanismSCRAM512: kadm.ScramSha512} {
		var users []kadm.UpsertSCRAM
		for i, p := range passwords {
			users = append(users, kadm.UpsertSCRAM{User: fmt.Sprintf("beyond-%d", i), Mechanism: as, Iterations: 4096, Password: p})
		}
		altered, err := kadm.NewClient(cl).AlterUserSCRAMs(t.Context(), nil, users)
		if err != nil || altered.Error() != nil {
			t.Fatal(err, altered.Error())
		}
		for i, p := range passwords {
			keys := fmt.Sprintf("security_protocol: SASL_PLAINTEXT\nsasl_config: {mechanism: %s, username: beyond-%d, password: %q}\n", mechanism, i, p)
			settings := mage(t, s.SASL, keys)
			c, err := kafka.NewCluster("secure", settings, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Client(t.Context()); err != nil {
				t.Errorf("%s, %q: %v", mechanism, p, err)
			}
			_ = c.Close()
		}
	}
}
