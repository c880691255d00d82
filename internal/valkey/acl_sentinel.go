package valkey

// SentinelACL is what the user may do on a data node as whom Sentinels go there
// (auth-user, auth-pass). Sentinels send what changes a role in a transaction, so a
// command of it that is not permitted undoes it all, without a word. That is why
// CONFIG REWRITE is among them, whether or not there is a file to be written. (Without
// MULTI the commands would go one by one.)
var SentinelACL = []string{
	"resetkeys", "resetchannels", "-@all",
	"+ping", "+info",
	"&" + HelloChannel, "+subscribe", "+publish",
	"+multi", "+exec", "+slaveof", "+failover", "+config|rewrite",
	"+client|setname", "+client|kill", "+client|pause", "+client|unpause",
	"+script|kill",
}

// SentinelDataACL is added to OperatorACL on the data nodes of Sentinels. There is no
// rule that allows CONFIG SET of one setting.
var SentinelDataACL = []string{"+config|set"}

// SentinelPeerACL is what the user may do on a Sentinel as whom the other Sentinels
// go there (sentinel sentinel-user, sentinel sentinel-pass).
var SentinelPeerACL = []string{
	"resetkeys", "resetchannels", "-@all",
	"+ping", "&" + HelloChannel, "+publish",
	"+sentinel|is-master-down-by-addr",
	"+client|setname",
}

// SentinelOperatorACL is what the operator's user may do on a Sentinel.
var SentinelOperatorACL = []string{
	"resetkeys", "allchannels", "-@all",
	"+info", "+client|setname", "+subscribe", "+publish",
	"+sentinel|master", "+sentinel|get-master-addr-by-name", "+sentinel|replicas", "+sentinel|sentinels", "+sentinel|ckquorum", "+sentinel|myid",
	"+sentinel|monitor", "+sentinel|remove", "+sentinel|set", "+sentinel|config", "+sentinel|reset", "+sentinel|failover",
}
