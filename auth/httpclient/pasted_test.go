package httpclient

import (
	"strings"
	"testing"
)

func TestATokenInPlaceOfItsFileIsNotShown(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJleHBvcnRlciJ9.c2lnbmF0dXJlLXZhbHVl"
	s := Settings{URL: "https://registry", BearerTokenFile: token}
	faults := s.Validate()
	if len(faults) != 1 || faults[0].Path != "bearer_token_file" || faults[0].Message != "holds a token (JWT), not a path; use bearer_token" {
		t.Errorf("%v", faults)
	}
	s = Settings{URL: "https://registry"}
	s.OAuth.TokenURL, s.OAuth.ClientID, s.OAuth.AssertionFile = "https://id/t", "c", token
	if faults = s.Validate(); len(faults) != 1 || faults[0].Path != "oauth_assertion_file" || strings.Contains(faults[0].Message, "eyJ") {
		t.Errorf("%v", faults)
	}
}
