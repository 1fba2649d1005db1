package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const readyLimit = 60 * time.Second

// dress says how records become requests.
type dress struct {
	path              string // %C is the cluster id, %T the topic
	media             string
	head, record, sep string // in record %K is the key, %V the value, both JSON
	tail              string
}

var (
	restV2 = dress{path: "/topics/%T", media: "application/vnd.kafka.json.v2+json",
		head: `{"records":[`, record: `{"key":%K,"value":%V}`, sep: ",", tail: "]}"}
	restV3 = dress{path: "/v3/clusters/%C/topics/%T/records", media: "application/json",
		record: `{"key":{"type":"JSON","data":%K},"value":{"type":"JSON","data":%V}}`, sep: "\n"}
)

// server is a started HTTP peer.
type server struct {
	cmd   *exec.Cmd
	ended chan error
	log   string
	ready time.Duration // from its start to its first good answer
}

// launch starts the peer and waits until it is ready.
func launch(ctx context.Context, p peer, j job) (*server, error) {
	c, log, err := p.command(j)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := c.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: c, ended: make(chan error, 1), log: log}
	go func() { s.ended <- c.Wait() }()
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	for {
		resp, err := client.Get("http://" + j.listen + p.ready)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode/100 == 2 {
				s.ready = time.Since(start)
				return s, nil
			}
		}
		select {
		case err := <-s.ended:
			return nil, fmt.Errorf("%s ended (%v): %s", p.name, err, lastLine(log))
		case <-ctx.Done():
			s.stop()
			return nil, ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
		if time.Since(start) > readyLimit {
			s.stop()
			return nil, fmt.Errorf("%s not ready after %s: %s", p.name, readyLimit, lastLine(log))
		}
	}
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(15 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// startTime measures from the start of the program to its first ready answer.
func (b *bench) startTime(ctx context.Context, p peer, j job) (result, error) {
	var err error
	if j.listen, err = freeAddr(); err != nil {
		return result{}, err
	}
	s, err := launch(ctx, p, j)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	return result{Work: "start", Seconds: s.ready.Seconds(), Peak: peakOf(s.cmd.Process.Pid)}, nil
}

// serve measures an HTTP peer at each of its works.
func (b *bench) serve(ctx context.Context, p peer, j job) ([]result, error) {
	var err error
	if j.listen, err = freeAddr(); err != nil {
		return nil, err
	}
	s, err := launch(ctx, p, j)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	recs, err := records(b.data, 20000)
	if err != nil {
		return nil, err
	}
	path := strings.ReplaceAll(p.dress.path, "%T", j.topic)
	if strings.Contains(path, "%C") {
		id, err := clusterID(j.listen)
		if err != nil {
			return nil, err
		}
		path = strings.ReplaceAll(path, "%C", id)
	}
	var rs []result
	for _, w := range p.works {
		conns, batch := 64, 1
		if w == "w2b" {
			conns, batch = 16, 100
		}
		r, err := b.hammer(ctx, s, j, w, conns, batch, p.dress.requests(j.listen, path, recs, batch))
		if err != nil {
			r.Note = err.Error()
		}
		rs = append(rs, r)
	}
	return rs, nil
}

func (b *bench) hammer(ctx context.Context, s *server, j job, work string, conns, batch int, reqs [][]byte) (result, error) {
	r := result{Work: work}
	before, err := b.kafka.count(ctx, j.topic)
	if err != nil {
		return r, err
	}
	warm := load(j.listen, reqs, conns, b.warm)
	pid := s.cmd.Process.Pid
	forgetPeak(pid)
	cpu, broker := cpuOf(pid), cpuOf(b.kafka.pid)
	l := load(j.listen, reqs, conns, b.load)
	r.CPU, r.Broker = (cpuOf(pid) - cpu).Seconds(), (cpuOf(b.kafka.pid) - broker).Seconds()
	r.Peak, r.Seconds, r.Request, r.Records = peakOf(pid), l.elapsed.Seconds(), l.good, l.good*int64(batch)
	r.P50, r.P99 = l.quantile(0.5), l.quantile(0.99)
	if warm.bad+l.bad > 0 {
		return r, fmt.Errorf("%d requests failed: %s", warm.bad+l.bad, warm.note+l.note)
	}
	after, err := b.kafka.count(ctx, j.topic)
	if err != nil {
		return r, err
	}
	if want := (warm.good + l.good) * int64(batch); after-before != want {
		return r, fmt.Errorf("%d records in the topic, %d were acknowledged", after-before, want)
	}
	return r, nil
}

// requests makes whole HTTP requests of batch records each.
func (d dress) requests(host, path string, recs []record, batch int) [][]byte {
	var reqs [][]byte
	for i := 0; i+batch <= len(recs) && len(reqs) < 2000; i += batch {
		var body bytes.Buffer
		body.WriteString(d.head)
		for n, r := range recs[i : i+batch] {
			if n > 0 {
				body.WriteString(d.sep)
			}
			body.WriteString(strings.NewReplacer("%K", string(r.key), "%V", string(r.value)).Replace(d.record))
		}
		body.WriteString(d.tail)
		reqs = append(reqs, fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
			path, host, d.media, body.Len(), body.Bytes()))
	}
	return reqs
}

// clusterID asks the gateway for the id of its first cluster.
func clusterID(host string) (string, error) {
	resp, err := http.Get("http://" + host + "/v3/clusters")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", err
	}
	var list struct {
		Data []struct {
			ID string `json:"cluster_id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(b, &list); err != nil || len(list.Data) == 0 {
		return "", fmt.Errorf("find the cluster id: %s: %s", resp.Status, b)
	}
	return list.Data[0].ID, nil
}
