package netsuitetest

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const jobPath = "/services/rest/async/v1/job/"

// maxBatch is how many records one batch may have.
const maxBatch = 100

// jobDelay is how long at speed 1 an asynchronous request takes to show its results. Its effect is
// there at once: NetSuite promises no order between the two.
const jobDelay = 2 * time.Second

// maxJobs is how many jobs are remembered; the oldest are forgotten first.
const maxJobs = 10_000

// jobs are the asynchronous requests. The lock of the account guards them.
type jobs struct {
	srv   *Server
	list  []*job
	keys  map[string]*job
	first int // number of list[0]
}

type job struct {
	id    int
	ready time.Time
	tasks []task
}

// task is the outcome of one record.
type task struct {
	answer answer
	err    *apiError
}

func newJobs(s *Server) *jobs { return &jobs{srv: s, keys: map[string]*job{}, first: 1} }

func (j *jobs) add(key string) *job {
	x := &job{id: j.first + len(j.list),
		ready: j.srv.clock.now().Add(jobDelay / time.Duration(j.srv.cfg.Speed))}
	j.list = append(j.list, x)
	if len(j.list) > maxJobs {
		j.list = slices.Clone(j.list[1:])
		j.first++
	}
	if key != "" {
		j.keys[key] = x
	}
	return x
}

func (j *jobs) get(id string) *job {
	n, err := strconv.Atoi(id)
	if err != nil || n < j.first || n >= j.first+len(j.list) {
		return nil
	}
	return j.list[n-j.first]
}

func (c *call) jobURL(x *job) string { return origin(c.r) + jobPath + strconv.Itoa(x.id) }

// async takes a write that is to be done asynchronously, of one record or of a batch.
func (c *call) async() (answer, *apiError) {
	j := c.srv.jobs
	key := c.r.Header.Get("X-NetSuite-Idempotency-Key")
	if key != "" && j.keys[key] != nil {
		c.w.Header()["Location"] = []string{c.jobURL(j.keys[key])}
		return answer{}, &apiError{status: c.srv.account.assumed.DuplicateKeyStatus,
			code: codeIdempotency, header: "X-NetSuite-Idempotency-Key",
			detail: "A request with this idempotency key has been processed already."}
	}
	var tasks []task
	if c.op == opBatch {
		var err *apiError
		if tasks, err = c.batch(); err != nil {
			return answer{}, err
		}
	} else {
		out, err := c.do()
		tasks = []task{{out, err}}
	}
	x := j.add(key)
	x.tasks = tasks
	return answer{status: http.StatusAccepted, location: c.jobURL(x),
		headers: map[string]string{"Preference-Applied": "respond-async"}}, nil
}

// batch writes the members of a collection, one after the other, each for itself.
func (c *call) batch() ([]task, *apiError) {
	body, err := decodeObject(c.body)
	if err != nil {
		return nil, err
	}
	items, ok := body["items"].([]any)
	if !ok || len(items) == 0 || len(items) > maxBatch {
		return nil, badContent("$.items", "A collection has 1 to %d items.", maxBatch)
	}
	var out []task
	for _, x := range items {
		member, ok := x.(map[string]any)
		if !ok {
			return nil, badContent("$.items", "Invalid content.")
		}
		out = append(out, c.member(member))
	}
	return out, nil
}

// member writes one record of a batch.
func (c *call) member(body map[string]any) task {
	one := &call{srv: c.srv, w: c.w, r: c.r, n: c.n, op: opBatchItem, typ: c.typ, target: c.typ,
		client: c.client}
	if one.fault = c.srv.faults.pick(one); one.fault != nil {
		c.srv.journal.add(Entry{Kind: "fault", Fault: one.fault.id, Op: one.fault.Kind, Request: c.n})
		return task{err: unexpected(http.StatusInternalServerError)}
	}
	body = maps.Clone(body)
	id := scalar(body["id"])
	if external := scalar(body["externalId"]); id == "" && external != "" {
		id = "eid:" + external
	}
	out := task{}
	switch r, err := c.srv.account.find(c.typ, id); {
	case c.r.Method == http.MethodPost || c.r.Method == http.MethodPut && err != nil &&
		err.status == http.StatusNotFound:
		out.answer, out.err = one.createWith(body, "")
	case err != nil:
		out.err = err
	default:
		out.answer, out.err = one.change(r, body)
	}
	one.answer, one.err = out.answer, out.err
	status, result := out.answer.status, "ok"
	if out.err != nil {
		status, result = out.err.status, out.err.code
	}
	one.log(status, result)
	return out
}

// job answers what became of an asynchronous request. Its progress says succeeded when all its members
// were looked at, also where some of them failed: only results tell.
func (c *call) job() (answer, *apiError) {
	steps := strings.Split(strings.TrimPrefix(c.r.URL.Path, jobPath), "/")
	x := c.srv.jobs.get(steps[0])
	if x == nil || c.r.Method != http.MethodGet {
		return answer{}, missing()
	}
	done := !c.srv.clock.now().Before(x.ready)
	progress := "processing"
	if done {
		progress = "succeeded"
	}
	tasks := c.jobURL(x) + "/task"
	body := object{"id": strconv.Itoa(x.id), "completed": done, "progress": progress}
	switch {
	case len(steps) == 1:
		body["links"], body["task"] = selfLink(c.jobURL(x)), object{"links": selfLink(tasks)}
	case len(steps) == 2 && steps[1] == "task":
		var items []object
		for i := range x.tasks {
			items = append(items, object{"links": selfLink(tasks + "/" + strconv.Itoa(i+1))})
		}
		return c.page(items, nil), nil
	default:
		n, err := strconv.Atoi(steps[2])
		if err != nil || n < 1 || n > len(x.tasks) || steps[1] != "task" {
			return answer{}, missing()
		}
		if len(steps) == 4 && steps[3] == "result" {
			return c.result(x.tasks[n-1], done)
		}
		body["id"] = steps[2]
		body["links"] = selfLink(tasks + "/" + steps[2])
	}
	return answer{status: http.StatusOK, media: "singular", body: encode(body)}, nil
}

// result answers what the write itself would have answered.
func (c *call) result(t task, done bool) (answer, *apiError) {
	switch {
	case !done:
		return answer{}, missing()
	case t.err != nil:
		return answer{}, t.err
	}
	return t.answer, nil
}
