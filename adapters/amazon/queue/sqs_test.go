package queue

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheLibrarySpeaksToAnEndpointOfOurs holds the request of the library against SQS's JSON protocol.
func TestTheLibrarySpeaksToAnEndpointOfOurs(t *testing.T) {
	var target, auth string
	var sent map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		target, auth = r.Header.Get("X-Amz-Target"), r.Header.Get("Authorization")
		assert.NoError(t, json.Unmarshal(body, &sent))
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, `{"Messages":[{"MessageId":"1","ReceiptHandle":"r","Body":"b",
			"MD5OfBody":"92eb5ffee6ae2fec3ad71c777531578f","Attributes":{"ApproximateReceiveCount":"3"}}]}`)
	}))
	defer server.Close()
	url := "https://sqs.eu-west-1.amazonaws.com/1/q"
	keys := 0
	api, err := Open(Access{URL: url, Endpoint: server.URL, Key: func() (string, string, string, error) {
		keys++
		return "AKID", "shh", "", nil
	}})
	require.NoError(t, err)
	c, err := New(Config{API: api, URL: url, Bad: new(kept).keep,
		Handle: func(context.Context, Message) error { return nil }})
	require.NoError(t, err)
	got, err := c.receive(t.Context(), 5)
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.Equal(t, 3, tries(&got[0]))
	assert.Equal(t, "AmazonSQS.ReceiveMessage", target)
	assert.Equal(t, url, sent["QueueUrl"])
	assert.EqualValues(t, 5, sent["MaxNumberOfMessages"])
	assert.Contains(t, auth, "AKID/")
	assert.NotContains(t, auth, "shh")
	assert.Contains(t, auth, "/eu-west-1/sqs/")
	_, err = api.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: &url})
	require.NoError(t, err)
	assert.Equal(t, 2, keys, "a key that was rotated counts at the next call")
	assert.True(t, strings.HasSuffix(target, "DeleteMessage"))
}
