package engine

// kind names a command in the log.
type kind uint8

// The kinds. Numbers are in the log and are never given again.
const (
	kindDefineSKU kind = iota + 1
	kindDefineLocation
	kindDefineChannel
	kindDelete
	kindSet
	kindAdjust
	kindMove
	kindReserve
	kindAdd
	kindExtend
	kindCommit
	kindRelease
	kindShip
	kindReturn
	kindTransfer
	kindMirror
	kindTick
	kindConfigure
	kindGroup
	kindEnrol
	kindRetire
	kindRevive
	kindPut
	kindDrop
	kindExpect
	kindPurge
	kindEnd
)

func (c *DefineSKU) kind() kind      { return kindDefineSKU }
func (c *DefineLocation) kind() kind { return kindDefineLocation }
func (c *DefineChannel) kind() kind  { return kindDefineChannel }
func (c *Delete) kind() kind         { return kindDelete }
func (c *Set) kind() kind            { return kindSet }
func (c *Adjust) kind() kind         { return kindAdjust }
func (c *Move) kind() kind           { return kindMove }
func (c *Reserve) kind() kind        { return kindReserve }
func (c *Add) kind() kind            { return kindAdd }
func (c *Extend) kind() kind         { return kindExtend }
func (c *Commit) kind() kind         { return kindCommit }
func (c *Release) kind() kind        { return kindRelease }
func (c *Ship) kind() kind           { return kindShip }
func (c *Return) kind() kind         { return kindReturn }
func (c *Transfer) kind() kind       { return kindTransfer }
func (c *Mirror) kind() kind         { return kindMirror }
func (c *Tick) kind() kind           { return kindTick }
func (c *Configure) kind() kind      { return kindConfigure }
func (c *Group) kind() kind          { return kindGroup }
func (c *Enrol) kind() kind          { return kindEnrol }
func (c *Retire) kind() kind         { return kindRetire }
func (c *Revive) kind() kind         { return kindRevive }

// newCommand returns an empty command of a kind, or nil when there is none.
func newCommand(k kind) Command {
	switch k {
	case kindDefineSKU:
		return new(DefineSKU)
	case kindDefineLocation:
		return new(DefineLocation)
	case kindDefineChannel:
		return new(DefineChannel)
	case kindDelete:
		return new(Delete)
	case kindSet:
		return new(Set)
	case kindAdjust:
		return new(Adjust)
	case kindMove:
		return new(Move)
	case kindReserve:
		return new(Reserve)
	case kindAdd:
		return new(Add)
	case kindExtend:
		return new(Extend)
	case kindCommit:
		return new(Commit)
	case kindRelease:
		return new(Release)
	case kindShip:
		return new(Ship)
	case kindReturn:
		return new(Return)
	case kindTransfer:
		return new(Transfer)
	case kindMirror:
		return new(Mirror)
	case kindTick:
		return new(Tick)
	case kindConfigure:
		return new(Configure)
	case kindGroup:
		return new(Group)
	case kindEnrol:
		return new(Enrol)
	case kindRetire:
		return new(Retire)
	case kindRevive:
		return new(Revive)
	case kindPut:
		return new(Put)
	case kindDrop:
		return new(Drop)
	case kindExpect:
		return new(Expect)
	case kindPurge:
		return new(Purge)
	}
	return nil
}

func (c *DefineSKU) wire(x *coder) {
	x.name(SKUName, &c.SKU)
	codeList(x, &c.Kit, MaxComponents, componentWire)
	x.bytes(&c.Attributes)
}

func (c *DefineLocation) wire(x *coder) {
	x.name(LocationName, &c.Location)
	codeByte(x, &c.Kind)
	x.string(&c.Master)
	codeByte(x, &c.Shortfall)
	x.bytes(&c.Attributes)
}

func (c *DefineChannel) wire(x *coder) {
	x.name(ChannelName, &c.Channel)
	codeByte(x, &c.Kind)
	codeByte(x, &c.Publish)
	x.bool(&c.Split)
	x.int(&c.Priority)
	codeList(x, &c.Locations, MaxChannelLocations, locationWire)
	c.Rules.wire(x)
	x.bytes(&c.Attributes)
}

func (r *Rules) wire(x *coder) {
	x.int(&r.Buffer)
	x.int(&r.BufferPercent)
	x.int(&r.Max)
	x.int(&r.Min)
	x.int(&r.Threshold)
}

func (c *Delete) wire(x *coder) {
	codeByte(x, &c.Kind)
	x.name(c.Kind, &c.Name)
}

func (c *Set) wire(x *coder) {
	x.name(SKUName, &c.SKU)
	x.name(LocationName, &c.Location)
	x.int(&c.Value)
	x.string(&c.Source)
	x.int(&c.AsOf)
	if x.mode != hashing { // found by the proposer, not said by the caller: a retry may find more
		x.int(&c.Basis)
		x.bool(&c.BasisGone)
	}
}

func (c *Adjust) wire(x *coder) {
	x.name(SKUName, &c.SKU)
	x.name(LocationName, &c.Location)
	x.int(&c.Delta)
	x.string(&c.Source)
	x.string(&c.Reason)
}

func (c *Move) wire(x *coder) {
	x.name(SKUName, &c.SKU)
	x.name(LocationName, &c.From)
	x.name(LocationName, &c.To)
	x.int(&c.Qty)
	x.string(&c.Source)
	x.string(&c.Reason)
}

func (c *Reserve) wire(x *coder) {
	x.string(&c.ID)
	x.name(ChannelName, &c.Channel)
	codeByte(x, &c.Mode)
	x.bool(&c.Partial)
	x.bool(&c.Commit)
	x.int(&c.TTL)
	codeList(x, &c.Lines, MaxLines, lineWire)
}

func (c *Add) wire(x *coder) {
	x.string(&c.ID)
	codeByte(x, &c.Mode)
	x.bool(&c.Partial)
	x.bool(&c.Commit)
	x.int(&c.TTL)
	codeList(x, &c.Lines, MaxLines, lineWire)
}

func (c *Extend) wire(x *coder) {
	x.string(&c.ID)
	x.int(&c.TTL)
}

func (c *Commit) wire(x *coder) {
	x.string(&c.ID)
	codeList(x, &c.Picks, MaxLines, pickWire)
}

func (c *Release) wire(x *coder) {
	x.string(&c.ID)
	codeList(x, &c.Picks, MaxLines, pickWire)
	x.string(&c.Reason)
	x.bool(&c.HandOver)
}

func (c *Ship) wire(x *coder) {
	x.string(&c.ID)
	codeList(x, &c.Picks, MaxLines, pickWire)
	x.string(&c.Package)
	x.string(&c.Tracking)
}

func (c *Return) wire(x *coder) {
	x.string(&c.ID)
	codeList(x, &c.Picks, MaxLines, pickWire)
	x.name(LocationName, &c.Location)
	codeByte(x, &c.Disposition)
}

func (c *Transfer) wire(x *coder) {
	x.string(&c.ID)
	x.int(&c.Line)
	x.name(LocationName, &c.From)
	x.name(LocationName, &c.To)
	x.int(&c.Qty)
}

func (c *Mirror) wire(x *coder) {
	x.string(&c.ID)
	x.name(ChannelName, &c.Channel)
	x.int(&c.AsOf)
	codeList(x, &c.Lines, MaxLines, lineWire)
}

func (c *Tick) wire(*coder) {}

func (c *Configure) wire(x *coder) {
	for i := range c.Limits.ClusterID {
		codeByte(x, &c.Limits.ClusterID[i])
	}
	x.int(&c.Limits.ResultsMax)
	x.int(&c.Limits.ResultsAge)
	x.int(&c.Limits.EventsMax)
	x.int(&c.Limits.ShortfallStep)
	x.int(&c.Limits.ApplyVersion)
	x.int(&c.Limits.ClosedAfter)
	x.int(&c.Limits.IDMemory)
	x.int(&c.Limits.RecordsMax)
}

func (c *Retire) wire(x *coder) { x.int(&c.Count) }

func (c *Revive) wire(x *coder) {
	x.string(&c.ID)
	x.uint(&c.Version)
	x.bytes(&c.Record)
}

func (c *Enrol) wire(x *coder) {
	x.string(&c.Node)
	x.int(&c.Incarnation)
	for i := range c.Folder {
		codeByte(x, &c.Folder[i])
	}
}

func (c *Group) wire(x *coder) {
	x.bool(&c.Atomic)
	codeList(x, &c.Ops, MaxGroup, groupedWire)
}

func componentWire(x *coder, c *Component) {
	x.name(SKUName, &c.SKU)
	x.int(&c.Qty)
}

func locationWire(x *coder, n *Name) { x.name(LocationName, n) }

func lineWire(x *coder, c *Line) {
	x.name(SKUName, &c.SKU)
	x.name(LocationName, &c.Location)
	x.int(&c.Qty)
	x.string(&c.Ref)
}

func pickWire(x *coder, c *Pick) {
	x.int(&c.Line)
	x.int(&c.Qty)
	x.name(LocationName, &c.Location)
}

// groupedWire codes one command of a group: its kind, then its body. Groups do not nest.
func groupedWire(x *coder, c *Command) {
	var k kind
	if x.mode != reading {
		k = (*c).kind()
	}
	codeByte(x, &k)
	if x.mode == reading && (*c == nil || (*c).kind() != k) {
		if *c = nil; k != kindGroup {
			*c = newCommand(k)
		}
		if *c == nil {
			x.fail("a group holds what it must not")
			*c = new(Tick)
		}
	}
	(*c).wire(x)
}
