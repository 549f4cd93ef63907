package spapitest

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	sqsTarget = "AmazonSQS."
	sqsType   = "application/x-amz-json-1.0"
)

// sqsRequest is the union of the requests that are served.
type sqsRequest struct {
	QueueURL   string `json:"QueueUrl"`
	QueueName  string
	Max        *int   `json:"MaxNumberOfMessages"`
	Wait       int    `json:"WaitTimeSeconds"`
	Visibility *int   `json:"VisibilityTimeout"`
	Handle     string `json:"ReceiptHandle"`
	Body       string `json:"MessageBody"`
	Entries    []struct {
		ID         string `json:"Id"`
		Handle     string `json:"ReceiptHandle"`
		Visibility int    `json:"VisibilityTimeout"`
		Body       string `json:"MessageBody"`
	}
}

// sqsError is an error of the JSON protocol.
type sqsError struct{ code, message string }

func (e *sqsError) write(w http.ResponseWriter, status int) {
	w.Header()["X-Amzn-Query-Error"] = []string{"AWS.SimpleQueueService." + e.code + ";Sender"}
	write(w, status, sqsType, encode(obj{"__type": "com.amazonaws.sqs#" + e.code,
		"message": e.message}))
}

// serveSQS answers the JSON protocol of SQS: the action is in X-Amz-Target, the queue in the body.
func (s *Server) serveSQS(w http.ResponseWriter, r *http.Request) {
	e := s.newExchange(w, r)
	e.refuse = func(status int, code, message string) {
		(&sqsError{code, message}).write(w, status)
	}
	op, fine := strings.CutPrefix(r.Header.Get("X-Amz-Target"), sqsTarget)
	e.entry.Op = op
	var in sqsRequest
	if !fine || !e.read() || json.Unmarshal(e.body, &in) != nil {
		e.refused(http.StatusBadRequest, "InvalidParameterValue", "The request is malformed.")
		return
	}
	name := orElse(in.QueueName, in.QueueURL[strings.LastIndexByte(in.QueueURL, '/')+1:])
	e.entry.Queue = name
	if e.strike() {
		return
	}
	q := s.queues[name]
	if q == nil {
		e.refused(http.StatusBadRequest, "QueueDoesNotExist", "The specified queue does not exist.")
		return
	}
	out, bad := s.sqs(r, q, op, in)
	if bad != nil {
		e.refused(http.StatusBadRequest, bad.code, bad.message)
		return
	}
	if messages, polled := out["Messages"]; op != "ReceiveMessage" || polled && messages != nil {
		e.log(http.StatusOK, "ok") // an empty poll is no news
	}
	e.send(http.StatusOK, sqsType, encode(out))
}

func (s *Server) sqs(r *http.Request, q *queue, op string, in sqsRequest) (obj, *sqsError) {
	switch op {
	case "GetQueueUrl":
		return obj{"QueueUrl": s.QueueURL(q.cfg.Name)}, nil
	case "GetQueueAttributes":
		return q.attributes(), nil
	case "SendMessage":
		return obj{"MessageId": q.put(in.Body), "MD5OfMessageBody": digest(in.Body)}, nil
	case "ReceiveMessage":
		return q.poll(r, in)
	case "DeleteMessage":
		if !q.remove(in.Handle) {
			return nil, &sqsError{"ReceiptHandleIsInvalid", "The input receipt handle is invalid."}
		}
		return obj{}, nil
	case "ChangeMessageVisibility":
		if in.Visibility == nil || *in.Visibility < 0 || *in.Visibility > 43_200 {
			return nil, &sqsError{"InvalidParameterValue", "VisibilityTimeout is 0 to 43200."}
		}
		if !q.extend(in.Handle, time.Duration(*in.Visibility)*time.Second) {
			return nil, &sqsError{"MessageNotInflight", "The message referred to is not in flight."}
		}
		return obj{}, nil
	case "DeleteMessageBatch", "ChangeMessageVisibilityBatch":
		return q.batch(op, in)
	}
	return nil, &sqsError{"UnsupportedOperation", "The action " + op + " is not simulated."}
}

func digest(body string) string {
	sum := md5.Sum([]byte(body))
	return hex.EncodeToString(sum[:])
}

// poll receives, waiting for as long as the client asks where there is nothing.
func (q *queue) poll(r *http.Request, in sqsRequest) (obj, *sqsError) {
	n := 1
	if in.Max != nil {
		n = *in.Max
	}
	timeout := q.srv.period(time.Duration(q.cfg.VisibilitySeconds) * time.Second)
	if in.Visibility != nil { // what a client asks for is not divided by the speed
		timeout = time.Duration(*in.Visibility) * time.Second
	}
	if n < 1 || n > 10 || in.Wait < 0 || in.Wait > 20 || timeout < 0 {
		return nil, &sqsError{"InvalidParameterValue", "MaxNumberOfMessages is 1 to 10, " +
			"WaitTimeSeconds 0 to 20."}
	}
	over := make(chan struct{})
	if in.Wait > 0 {
		q.srv.clock.After(time.Duration(in.Wait)*time.Second, func() { close(over) })
	} else {
		close(over)
	}
	for {
		got, more := q.receive(n, timeout)
		if len(got) > 0 {
			return obj{"Messages": q.handOut(got)}, nil
		}
		select {
		case <-more:
		case <-over:
			return obj{}, nil
		case <-r.Context().Done():
			return obj{}, nil
		case <-q.srv.closed:
			return obj{}, nil
		}
	}
}

func (q *queue) handOut(got []received) []obj {
	out := []obj{}
	for _, m := range got {
		out = append(out, obj{"MessageId": m.id, "ReceiptHandle": m.handle, "Body": m.body,
			"MD5OfBody": digest(m.body), "Attributes": map[string]string{
				"SentTimestamp":                    strconv.FormatInt(m.sent.UnixMilli(), 10),
				"ApproximateReceiveCount":          strconv.Itoa(m.receives),
				"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10),
				"SenderId":                         "437568002678"}})
	}
	return out
}

func (q *queue) batch(op string, in sqsRequest) (obj, *sqsError) {
	if len(in.Entries) == 0 {
		return nil, &sqsError{"EmptyBatchRequest", "There should be at least one entry."}
	}
	if len(in.Entries) > 10 {
		return nil, &sqsError{"TooManyEntriesInBatchRequest", "At most 10 entries."}
	}
	good, failed := []obj{}, []obj{}
	seen := map[string]bool{}
	for _, x := range in.Entries {
		if seen[x.ID] {
			return nil, &sqsError{"BatchEntryIdsNotDistinct", "Two or more entries have one Id."}
		}
		seen[x.ID] = true
		fine := false
		if op == "DeleteMessageBatch" {
			fine = q.remove(x.Handle)
		} else {
			fine = q.extend(x.Handle, time.Duration(x.Visibility)*time.Second)
		}
		if fine {
			good = append(good, obj{"Id": x.ID})
			continue
		}
		failed = append(failed, obj{"Id": x.ID, "SenderFault": true, "Code": "ReceiptHandleIsInvalid",
			"Message": "The input receipt handle is invalid."})
	}
	out := obj{"Successful": good}
	if len(failed) > 0 {
		out["Failed"] = failed
	}
	return out, nil
}

func (q *queue) attributes() obj {
	ready, flying := q.counts()
	return obj{"Attributes": map[string]string{
		"QueueArn":                              q.arn(),
		"ApproximateNumberOfMessages":           strconv.Itoa(ready),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(flying),
		"ApproximateNumberOfMessagesDelayed":    "0",
		"VisibilityTimeout":                     strconv.Itoa(q.cfg.VisibilitySeconds),
		"MessageRetentionPeriod":                "345600"}}
}

// arn names the queue; its region does not matter here.
func (q *queue) arn() string { return "arn:aws:sqs:us-east-1:" + awsAccount + ":" + q.cfg.Name }

// QueueARN is what a destination of notifications names.
func (s *Server) QueueARN(name string) string {
	if q := s.queues[name]; q != nil {
		return q.arn()
	}
	return ""
}
