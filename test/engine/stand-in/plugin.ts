import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';

const MESSAGE_BYTES_MAX = 400 * 1024 * 1024;
const PARENT_LOOK_MS = 500;

/**
 * Serves as a plugin of the Pulumi engine: prints its port, as the first and only thing on standard output, and leaves
 * when the engine does, killed or not.
 */
export function servePlugin(service: ServiceDefinition, calls: UntypedServiceImplementation): void {
  const options = {
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  };
  const server = new Server(options);
  server.addService(service, calls);
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    process.stdout.write(`${port}\n`);
  });
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && process.exit(0), PARENT_LOOK_MS).unref();
}
