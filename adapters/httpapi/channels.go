package httpapi

import (
	"slices"

	"holdfast/engine"
)

// channelAttributes is what the edge keeps of a channel beside what the ledger knows.
type channelAttributes struct {
	Region string `json:"region,omitempty"`
}

func putChannel(c *call) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	text, err := c.body(true)
	if err != nil {
		return err
	}
	var in channelBody
	if err := channelBodies.decode(text, &in); err != nil {
		return err
	}
	if err := pathSays("id", in.ID, id); err != nil {
		return err
	}
	cmd, err := in.command(id)
	if err != nil {
		return err
	}
	if _, err := c.submit(cmd); err != nil {
		return err
	}
	c.buf = appendChannel(c.buf[:0], &engine.Channel{Name: id, Kind: cmd.Kind,
		Publish: cmd.Publish, Split: cmd.Split, Priority: cmd.Priority, Locations: in.Locations,
		Rules: cmd.Rules, Attributes: cmd.Attributes}, c.index)
	return c.reply(200)
}

// command makes the definition; defaults are kind api, publish pooled, and split.
func (in *channelBody) command(id string) (*engine.DefineChannel, error) {
	cmd := &engine.DefineChannel{Channel: engine.Name(id), Kind: engine.ChannelAPI,
		Publish: engine.Pooled, Split: true, Priority: in.Priority}
	if in.Kind != "" {
		cmd.Kind = engine.ParseChannelKind(in.Kind)
	}
	if in.Publish != "" {
		cmd.Publish = engine.ParsePublishMode(in.Publish)
	}
	if in.Split != nil {
		cmd.Split = *in.Split
	}
	sorted := slices.Sorted(slices.Values(in.Locations))
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return nil, invalid("locations", "must not list "+sorted[i]+" twice")
		}
	}
	for _, l := range in.Locations {
		cmd.Locations = append(cmd.Locations, engine.Name(l))
	}
	if r := in.Rules; r != nil {
		percent := int64(0)
		if r.BufferPercent != "" {
			percent, _ = parsePercent(string(r.BufferPercent)) // the pass has checked it
		}
		cmd.Rules = engine.Rules{Buffer: r.Buffer, BufferPercent: percent, Max: r.Max, Min: r.Min,
			Threshold: r.Threshold}
	}
	var err error
	cmd.Attributes, err = attributes(&channelAttributes{Region: in.Region})
	return cmd, err
}

func appendChannel(b []byte, ch *engine.Channel, index uint64) []byte {
	b = append(b, `{"id":`...)
	b = appendText(b, ch.Name)
	b = append(b, `,"kind":"`...)
	b = append(b, ch.Kind.String()...)
	b = append(b, `","publish":"`...)
	b = append(b, ch.Publish.String()...)
	b = append(b, `","split":`...)
	b = appendBool(b, ch.Split)
	b = appendInt(b, `,"priority":`, ch.Priority)
	b = append(b, `,"locations":[`...)
	for i, l := range ch.Locations {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, l)
	}
	b = appendInt(b, `],"rules":{"buffer":`, ch.Rules.Buffer)
	b = append(b, `,"buffer_percent":`...)
	b = appendPercent(b, ch.Rules.BufferPercent)
	b = appendInt(b, `,"max":`, ch.Rules.Max)
	b = appendInt(b, `,"min":`, ch.Rules.Min)
	b = appendInt(b, `,"threshold":`, ch.Rules.Threshold)
	b = append(b, '}')
	b = appendAttributes(b, ch.Attributes)
	return appendIndexEnd(b, index)
}

func getChannel(c *call) error {
	return getNamed(c, (*engine.Ledger).Channel, engine.UnknownChannel, appendChannel)
}

func deleteChannel(c *call) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	return c.remove(engine.ChannelName, id)
}

func listChannels(c *call) error {
	p, err := c.listed()
	if err != nil {
		return err
	}
	rows, more, err := listRows(c, p, (*engine.Ledger).Channels,
		func(ch *engine.Channel) uint32 { return ch.Number })
	if err != nil {
		return err
	}
	return replyList(c, rows, more, func(ch *engine.Channel) uint64 { return uint64(ch.Number) },
		func(b []byte, ch *engine.Channel) []byte { return appendChannel(b, ch, 0) })
}
