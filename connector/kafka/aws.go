package kafka

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/aws/aws-msk-iam-sasl-signer-go/signer"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/connector"
)

// awsRegion is the region of the brokers: given, or the part of an MSK host
// name before amazonaws.com, as in b-1.c.abc.kafka.eu-west-1.amazonaws.com.
func (s *SASL) awsRegion(in *Settings) string {
	if s.AWSRegion != "" {
		return s.AWSRegion
	}
	for _, addr := range in.Servers() {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			continue
		}
		host = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(host), "."), ".cn")
		if rest, ok := strings.CutSuffix(host, ".amazonaws.com"); ok {
			if i := strings.LastIndexByte(rest, '.'); i >= 0 {
				return rest[i+1:]
			}
		}
	}
	return ""
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
