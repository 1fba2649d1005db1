package kafka

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
)

// Keys of Amazon's documentation; they open nothing.
const (
	awsID     = "AKIDEXAMPLE"
	awsSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

func awsSettings(edit func(*SASL)) Settings {
	s := SASL{Mechanism: "AWS_MSK_IAM", AWSAccessKeyID: awsID, AWSSecretAccessKey: awsSecret}
	if edit != nil {
		edit(&s)
	}
	return Settings{BootstrapServer: []string{"b-1.c.abc.c2.kafka.eu-west-1.amazonaws.com:9098"}, SecurityProtocol: "SASL_SSL", SASL: &s}
}

// The token is a presigned URL in base64 (aws-msk-iam-sasl-signer), and its
// signature is what Signature Version 4 makes of it, computed here by the
// published steps.
func TestAWSTokenIsASignedRequest(t *testing.T) {
	for _, tc := range []struct {
		name, region, session string
		edit                  func(*SASL)
	}{
		{"region of the broker's name", "eu-west-1", "", nil},
		{"region by key", "us-east-2", "", func(s *SASL) { s.AWSRegion = "us-east-2" }},
		{"session token", "eu-west-1", "session/+token", func(s *SASL) { s.AWSSessionToken = "session/+token" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := cluster(t, awsSettings(tc.edit))
			before := time.Now()
			tok, ok, err := c.Token(t.Context())
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			raw, err := base64.RawURLEncoding.DecodeString(tok.Value.Reveal())
			if err != nil {
				t.Fatalf("not base64url without padding: %v", err)
			}
			u, err := url.Parse(string(raw))
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			signed, err := time.Parse("20060102T150405Z", q.Get("X-Amz-Date"))
			if err != nil || signed.Before(before.Add(-2*time.Second)) {
				t.Fatalf("signed at %s: %v", signed, err)
			}
			scope := signed.Format("20060102") + "/" + tc.region + "/kafka-cluster/aws4_request"
			for key, want := range map[string]string{"Action": "kafka-cluster:Connect", "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": awsID + "/" + scope,
				"X-Amz-Expires": "900", "X-Amz-SignedHeaders": "host", "X-Amz-Security-Token": tc.session} {
				if q.Get(key) != want {
					t.Errorf("%s = %q, want %q", key, q.Get(key), want)
				}
			}
			if u.Scheme != "https" || u.Host != "kafka."+tc.region+".amazonaws.com" || u.Path != "/" || q.Get("User-Agent") == "" {
				t.Errorf("signed request for %s", u.Redacted())
			}
			if got := q.Get("X-Amz-Signature"); got != signature(u, signed, scope) {
				t.Errorf("signature %s, computed %s", got, signature(u, signed, scope))
			}
			if life := tok.Expiry.Sub(signed); life != 15*time.Minute {
				t.Errorf("it lives %s", life)
			}
			if strings.Contains(string(raw), awsSecret) {
				t.Error("the secret key is in the token")
			}
		})
	}
}

// signature follows "Create a signed AWS API request": the canonical request,
// the string to sign, the derived key.
func signature(u *url.URL, at time.Time, scope string) string {
	q := u.Query()
	q.Del("X-Amz-Signature")
	q.Del("User-Agent") // added after signing
	canonical := strings.Join([]string{"GET", "/", strings.ReplaceAll(q.Encode(), "+", "%20"), "host:" + u.Host, "", "host", hexHash("")}, "\n")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", at.Format("20060102T150405Z"), scope, hexHash(canonical)}, "\n")
	key := []byte("AWS4" + awsSecret)
	for _, part := range strings.Split(scope, "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

func hexHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func TestAWSWithoutCredentials(t *testing.T) {
	metadata := httptest.NewServer(http.NotFoundHandler()) // in place of the instance's own
	defer metadata.Close()
	for k, v := range map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.URL, "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(k, v)
	}
	c := cluster(t, awsSettings(func(s *SASL) { s.AWSAccessKeyID, s.AWSSecretAccessKey = "", "" }))
	_, _, err := c.Token(t.Context())
	if connector.KindOf(err) != connector.Unauthenticated || !strings.Contains(err.Error(), "check the AWS credentials and the region") {
		t.Fatal(err)
	}
}

// The region is where Amazon's own tools look for it.
func TestAWSRegion(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("[default]\nregion = eu-south-2\n[profile p]\nregion = ap-east-1\n[profile bare]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ host, env, profile, want string }{
		{"b-1.c.abc.kafka.eu-west-1.amazonaws.com:9098", "us-east-1", "p", "eu-west-1"},
		{"boot-x.c1.kafka-serverless.us-east-1.amazonaws.com:9098", "", "", "us-east-1"},
		{"b.kafka.cn-north-1.amazonaws.com.cn:9098", "", "", "cn-north-1"},
		{"vpce-1.kafka.eu-west-1.vpce.amazonaws.com:9098", "", "", "eu-west-1"},
		{"b.kafka.eu-west-1.api.aws:9098", "", "", "eu-west-1"},
		{"x.vpce.amazonaws.com:9098", "us-east-1", "", "us-east-1"},
		{"broker.example.com:9098", "us-gov-west-1", "p", "us-gov-west-1"},
		{"broker.example.com:9098", "", "p", "ap-east-1"},
		{"broker.example.com:9098", "", "", "eu-south-2"},
		{"broker.example.com:9098", "", "bare", ""},
		{"kafka.eu-west-1.example.com:9098", "", "none", ""},
	} {
		t.Setenv("AWS_REGION", tc.env)
		t.Setenv("AWS_DEFAULT_REGION", "")
		t.Setenv("AWS_PROFILE", "")
		t.Setenv("AWS_DEFAULT_PROFILE", "")
		t.Setenv("AWS_CONFIG_FILE", file)
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file+".none")
		s := &SASL{Mechanism: MechanismAWSMSKIAM, AWSProfile: tc.profile}
		if got := s.awsRegion(&Settings{BootstrapServer: []string{tc.host}}); got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}
