package kafka

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"

	"github.com/headrace/headrace/internal/redact"
)

// explainAWS says why no token could be signed. Amazon's library repeats what a
// credential_process printed, keys included, so that nothing of its text is
// passed on that may come from there.
func (s *SASL) explainAWS(err error) error {
	var process *processcreds.ProviderError
	var api interface { // of an answer of Amazon's services
		ErrorCode() string
		ErrorMessage() string
	}
	known := []string{s.AWSSecretAccessKey.Reveal(), s.AWSSessionToken.Reveal()}
	switch {
	case errors.As(err, &process):
		return fmt.Errorf("the credential_process of profile %s %s", s.profile(), processFault(process))
	case errors.As(err, &api):
		return fmt.Errorf("refused by Amazon with %s (%s); check the AWS credentials, the role and the region",
			redact.Foreign(api.ErrorCode(), known...), redact.Foreign(api.ErrorMessage(), known...))
	}
	return fmt.Errorf("%w; check the AWS credentials and the region", redact.Error(err, known...))
}

// profile is the one that Amazon's library reads.
func (s *SASL) profile() string {
	for _, name := range []string{s.AWSProfile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE")} {
		if name != "" {
			return redact.Name(name)
		}
	}
	return "default"
}

func processFault(err *processcreds.ProviderError) string {
	text := err.Err.Error()
	switch {
	case strings.Contains(text, "parse failed"):
		return "printed something that is not JSON; it must print one JSON object with Version, AccessKeyId and SecretAccessKey, and nothing else"
	case strings.Contains(text, "wrong version"):
		return "printed JSON whose Version is not 1"
	case strings.Contains(text, "missing AccessKeyId"):
		return "printed JSON without AccessKeyId"
	case strings.Contains(text, "missing SecretAccessKey"):
		return "printed JSON without SecretAccessKey"
	case strings.Contains(text, "timed out"):
		return "did not end in time"
	}
	var ended interface{ ExitCode() int }
	if errors.As(err.Err, &ended) {
		return fmt.Sprintf("failed with exit code %d; run it by hand to see why", ended.ExitCode())
	}
	return "could not be run; check the command in the AWS configuration"
}
