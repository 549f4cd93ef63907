package queue

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Access says how a queue is reached.
type Access struct {
	URL      string // https://sqs.eu-west-1.amazonaws.com/123456789012/NAME
	Region   string // empty: of the URL
	Endpoint string // of something that speaks as SQS does; empty: the URL's host
	// Key reads the key of an AWS user anew at each use; session may be empty.
	Key  func() (id, secret, session string, err error)
	HTTP *http.Client // nil: the library's own
}

// Open makes a client of SQS; it calls nobody. It fails when the region is not said.
func Open(a Access) (API, error) {
	u, err := url.Parse(a.URL)
	if err != nil || u.Host == "" || a.Key == nil {
		return nil, errors.New("queue: a queue needs its URL and a key")
	}
	region := a.Region
	if region == "" {
		region = RegionOf(a.URL)
	}
	if region == "" {
		return nil, errors.New("queue: the URL does not say its AWS region")
	}
	endpoint := a.Endpoint
	if endpoint == "" {
		endpoint = u.Scheme + "://" + u.Host
	}
	options := sqs.Options{Region: region, BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			id, secret, session, err := a.Key()
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: session}, err
		})}
	if a.HTTP != nil {
		options.HTTPClient = a.HTTP
	}
	return sqs.New(options), nil
}

// RegionOf is the AWS region that the URL of a queue names; empty when it names none.
func RegionOf(queue string) string {
	u, err := url.Parse(queue)
	if err != nil {
		return ""
	}
	parts := strings.Split(u.Hostname(), ".")
	if len(parts) >= 4 && parts[0] == "sqs" && parts[2] == "amazonaws" {
		return parts[1]
	}
	return ""
}

// tries is how often SQS says that it has handed a message out.
func tries(m *types.Message) int {
	n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// doubled is a pause that doubles with each failure, up to maxBackoff.
func doubled(d time.Duration, failures int) time.Duration {
	return min(d<<min(max(failures, 0), 16), maxBackoff)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
