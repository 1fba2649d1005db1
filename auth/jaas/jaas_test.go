package jaas

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name, line string
		want       Entry
	}{
		{"plain", `org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p;=x";`,
			Entry{"org.apache.kafka.common.security.plain.PlainLoginModule", "required", map[string]string{"username": "u", "password": "p;=x"}}},
		{"short form", `required username='u' password="it's";`, Entry{"", "required", map[string]string{"username": "u", "password": "it's"}}},
		{"bare words and blanks", "M REQUIRED\n\tuseKeyTab = true\n keyTab=\"/etc/k.keytab\" ;", Entry{"M", "required", map[string]string{"useKeyTab": "true", "keyTab": "/etc/k.keytab"}}},
		{"escapes", `M required p="a\"b\\c\tn\101\0417";`, Entry{"M", "required", map[string]string{"p": "a\"b\\c\tnA!7"}}},
		{"comments", "M required // one\n a=1 /* two\n */ b=2;", Entry{"M", "required", map[string]string{"a": "1", "b": "2"}}},
		{"no options", `software.amazon.msk.auth.iam.IAMLoginModule required;`, Entry{"software.amazon.msk.auth.iam.IAMLoginModule", "required", map[string]string{}}},
		{"empty value", `M optional a="";`, Entry{"M", "optional", map[string]string{"a": ""}}},
		{"arn and dots", `M required awsRoleArn=arn:aws:iam::1:role oauth.client.id=x;`, Entry{"M", "required", map[string]string{"awsRoleArn": "arn:aws:iam::1:role", "oauth.client.id": "x"}}},
		{"not ASCII", `M required password="pä";`, Entry{"M", "required", map[string]string{"password": "pä"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Parse(tc.line)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Fatal(d)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ name, line, want string }{
		{"empty", "  ", "empty"},
		{"no semicolon", `M required a="b"`, "semicolon"},
		{"no flag", `M a="b";`, "no flag"},
		{"module alone", `M`, "no flag"},
		{"key without value", `M required hunter2;`, "without a value"},
		{"equals without value", `M required a=;`, "has no value"},
		{"two modules", `M required a=b; N required c=d;`, "more than one"},
		{"unquoted path", `M required keyTab=/etc/hunter2;`, "outside of quotes"},
		{"path within a word", `M required keyTab=etc/hunter2;`, "outside of quotes"},
		{"open quote", `M required a="hunter2;`, "without an end"},
		{"open quote after backslash", `M required a="hunter2\`, "without an end"},
		{"line break in quotes", "M required a=\"hunter2\n\";", "line break"},
		{"open comment", `M required /* hunter2`, "comment"},
		{"twice", `M required a=hunter2 a=hunter2;`, "twice"},
		{"a section of a file", `KafkaClient { M required a="hunter2"; };`, "within the braces"},
		{"a section, no blank", `KafkaClient {M required a="hunter2"; };`, "within the braces"},
		{"lines of properties", "M required \\\n a=\"hunter2\" \\\n b=\"c\";", "remove the backslashes"},
		{"a quote within", `M required a="hun"ter2" b="c";`, "without an end"},
		{"what to do about a quote", `M required a="hun"ter2" b="c";`, "username and password as keys"},
		{"starts with equals", `= required;`, "does not start"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse(tc.line)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("a value shows in %q", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`org.M required a="b\n" c='d' /* x */ e=f;`)
	f.Add(`required a="\377\8" // x`)
	f.Fuzz(func(t *testing.T, line string) {
		e, err := Parse(line)
		if err == nil && (e.Options == nil || e.Flag == "") {
			t.Fatalf("an accepted line without flag or options: %+v", e)
		}
	})
}
