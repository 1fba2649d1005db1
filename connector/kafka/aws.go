package kafka

import (
	"context"
	"net"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-msk-iam-sasl-signer-go/signer"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/connector"
)

// awsRegion is the region of the brokers: given, or the part of an MSK host name
// behind kafka, as in b-1.c.abc.kafka.eu-west-1.amazonaws.com, or what Amazon's own
// tools take: the environment's, then the profile's.
func (s *SASL) awsRegion(in *Settings) string {
	if s.AWSRegion != "" {
		return s.AWSRegion
	}
	for _, addr := range in.Servers() {
		if region := regionOf(addr); region != "" {
			return region
		}
	}
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if region := os.Getenv(name); regionForm.MatchString(region) {
			return region
		}
	}
	return s.profileRegion()
}

// regionForm is eu-west-1, us-gov-east-1, ap-southeast-2.
var regionForm = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}$`)

// regionOf is the region in the name of a broker of Amazon's; "" in any other.
func regionOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	host = strings.TrimSuffix(host, ".cn")
	amazon := false
	for _, end := range []string{".amazonaws.com", ".api.aws"} {
		var found bool
		host, found = strings.CutSuffix(host, end)
		amazon = amazon || found
	}
	if !amazon {
		return ""
	}
	labels := strings.Split(host, ".")
	for i := len(labels) - 2; i >= 0; i-- {
		if (labels[i] == "kafka" || labels[i] == "kafka-serverless") && regionForm.MatchString(labels[i+1]) {
			return labels[i+1]
		}
	}
	return ""
}

// profileRegion is the region of the profile in Amazon's configuration; "" when
// there is none.
func (s *SASL) profileRegion() string {
	ctx, cancel := context.WithTimeout(context.Background(), awsTimeout)
	defer cancel()
	name := s.AWSProfile
	for _, env := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		name = orDefault(name, os.Getenv(env))
	}
	shared, err := config.LoadSharedConfigProfile(ctx, orDefault(name, "default"), func(o *config.LoadSharedConfigOptions) {
		if file := os.Getenv("AWS_CONFIG_FILE"); file != "" {
			o.ConfigFiles = []string{file}
		}
		if file := os.Getenv("AWS_SHARED_CREDENTIALS_FILE"); file != "" {
			o.CredentialsFiles = []string{file}
		}
	})
	if err != nil || !regionForm.MatchString(shared.Region) {
		return ""
	}
	return shared.Region
}

// awsSource signs MSK's tokens: AWS_MSK_IAM is spoken as OAUTHBEARER, which MSK
// accepts with the same signature (aws-msk-iam-sasl-signer). The order of
// credentials is that of Amazon's own module: keys and role, profile, the
// default chain.
func (s *SASL) awsSource(in *Settings) auth.TokenSource {
	region := s.awsRegion(in)
	return auth.TokenSourceFunc(func(ctx context.Context) (auth.Token, error) {
		issued := time.Now()
		value, expiresMS, err := s.signAWS(ctx, region)
		if err != nil {
			return auth.Token{}, connector.Errorf(connector.Unauthenticated, "signing a token for AWS_MSK_IAM in %s: %w", region, s.explainAWS(err))
		}
		return auth.Token{Value: connector.Secret(value), Issued: issued, Expiry: time.UnixMilli(expiresMS)}, nil
	})
}

const awsTimeout = 10 * time.Second

func (s *SASL) signAWS(ctx context.Context, region string) (string, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	session := orDefault(s.AWSRoleSessionName, DefaultClientID)
	switch {
	case s.AWSRoleARN != "" && s.AWSAccessKeyID == "" && s.AWSProfile == "":
		if s.AWSRoleExternalID != "" {
			return signer.GenerateAuthTokenFromRoleWithExternalId(ctx, region, s.AWSRoleARN, session, s.AWSRoleExternalID)
		}
		return signer.GenerateAuthTokenFromRole(ctx, region, s.AWSRoleARN, session)
	case s.AWSAccessKeyID != "":
		return signer.GenerateAuthTokenFromCredentialsProvider(ctx, region, s.awsKeys(region, session))
	case s.AWSProfile != "":
		return signer.GenerateAuthTokenFromProfile(ctx, region, s.AWSProfile)
	}
	return signer.GenerateAuthToken(ctx, region)
}

// awsKeys are the static keys, or the role that they may assume.
func (s *SASL) awsKeys(region, session string) aws.CredentialsProvider {
	static := credentials.NewStaticCredentialsProvider(s.AWSAccessKeyID, s.AWSSecretAccessKey.Reveal(), s.AWSSessionToken.Reveal())
	if s.AWSRoleARN == "" {
		return static
	}
	client := sts.New(sts.Options{Region: orDefault(s.AWSSTSRegion, region), Credentials: static})
	return stscreds.NewAssumeRoleProvider(client, s.AWSRoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = session
		if s.AWSRoleExternalID != "" {
			o.ExternalID = &s.AWSRoleExternalID
		}
	})
}
