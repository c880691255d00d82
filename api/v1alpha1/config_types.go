package v1alpha1

// ConfigValue is the value of one setting, as it stands in valkey.conf after
// the setting's name. It is one line.
//
// +kubebuilder:validation:MaxLength=512
// +kubebuilder:validation:Pattern=`^[^\x00-\x1f\x7f]*$`
type ConfigValue string

// Config is free settings of valkey.conf, by name in lower case. The rules
// below are OwnedSettings written in CEL; a test holds the two together.
//
// +kubebuilder:validation:MaxProperties=100
// +kubebuilder:validation:XValidation:rule="self.all(k, k.matches('^[a-z][a-z0-9-]{0,62}$'))",message="the names in spec.config are those of valkey.conf in lower case: letters, digits and '-', beginning with a letter, at most 63"
// +kubebuilder:validation:XValidation:rule="!self.exists(k, k in ['port', 'bind', 'bind-source-addr', 'protected-mode', 'unixsocket', 'unixsocketgroup', 'unixsocketperm'] || k.startsWith('rdma-'))",message="spec.config may not set port, bind, bind-source-addr, protected-mode, unixsocket, unixsocketgroup, unixsocketperm, rdma-*: the operator sets how servers are reached: use the Services of the instance"
// +kubebuilder:validation:XValidation:rule="!self.exists(k, k in ['dir', 'dbfilename', 'appenddirname', 'appendfilename', 'save', 'appendonly'])",message="spec.config may not set dir, dbfilename, appenddirname, appendfilename, save, appendonly: the operator sets what is written where: use spec.persistence and spec.storage"
// +kubebuilder:validation:XValidation:rule="!self.exists(k, k in ['replicaof', 'slaveof', 'replica-read-only', 'slave-read-only', 'replica-priority', 'slave-priority'] || k.startsWith('replica-announce') || k.startsWith('slave-announce'))",message="spec.config may not set replicaof, slaveof, replica-read-only, slave-read-only, replica-priority, slave-priority, replica-announce*, slave-announce*: the operator gives the roles: use spec.topology and spec.replicas"
// +kubebuilder:validation:XValidation:rule="!self.exists(k, k in ['aclfile', 'user', 'requirepass', 'primaryauth', 'primaryuser', 'masterauth', 'masteruser'])",message="spec.config may not set aclfile, user, requirepass, primaryauth, primaryuser, masterauth, masteruser: the operator makes the users: use spec.auth"
// +kubebuilder:validation:XValidation:rule="!self.exists(k, k in ['enable-debug-command', 'enable-module-command', 'enable-protected-configs', 'rename-command'])",message="spec.config may not set enable-debug-command, enable-module-command, enable-protected-configs, rename-command: the operator and the safety of the data need the commands as they are: leave them out"
// +kubebuilder:validation:XValidation:rule="!self.exists(k, k in ['include', 'loadmodule'])",message="spec.config may not set include, loadmodule: the pods hold no other files than the operator's, and modules are not supported yet: leave them out"
// +kubebuilder:validation:XValidation:rule="!self.exists(k, k in ['daemonize', 'pidfile', 'supervised', 'logfile'] || k.startsWith('syslog-'))",message="spec.config may not set daemonize, pidfile, supervised, logfile, syslog-*: the operator runs the server in a container, which logs to its output: leave them out"
// +kubebuilder:validation:XValidation:rule="!self.exists(k, k.startsWith('shutdown-'))",message="spec.config may not set shutdown-*: the operator derives from them how long a pod may take to stop: use spec.terminationGracePeriodSeconds"
// +kubebuilder:validation:XValidation:rule="!self.exists(k, k.startsWith('cluster-') && !(k in ['cluster-node-timeout', 'cluster-require-full-coverage', 'cluster-allow-reads-when-down', 'cluster-allow-pubsubshard-when-down', 'cluster-link-sendbuf-limit', 'cluster-slot-stats-enabled', 'cluster-preferred-endpoint-type']))",message="spec.config may not set cluster-* (other than cluster-node-timeout, cluster-require-full-coverage, cluster-allow-reads-when-down, cluster-allow-pubsubshard-when-down, cluster-link-sendbuf-limit, cluster-slot-stats-enabled, cluster-preferred-endpoint-type): the operator forms the cluster and keeps it together: leave them out"
// +kubebuilder:validation:XValidation:rule="!self.exists(k, k.startsWith('tls-'))",message="spec.config may not set tls-*: TLS is not built yet: leave them out"
// +kubebuilder:validation:XValidation:rule="!self.exists(k, k.startsWith('sentinel'))",message="spec.config may not set sentinel*: they are settings of Sentinels, and the operator sets those: use spec.sentinel"
type Config map[string]ConfigValue
