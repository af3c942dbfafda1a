import { openLocal } from '../../controller/transport/local.ts';
import { openNodes } from '../../controller/transport/ssh-node.ts';
import { openSshd } from '../rig/sshd.ts';
import { describeWith } from '../support/capability.ts';
import { describeTransport, type TransportBench } from './transport.ts';

describeTransport('the local transport', async () => ({
  open: () => openLocal(process.env),
  openNowhere: null,
  close: async () => {},
}));

async function openSshBench(client: 'ssh2' | 'openssh'): Promise<TransportBench> {
  const sshd = await openSshd();
  const open = openNodes({ env: process.env });
  return {
    open: () => open({ kind: 'ssh', ...sshd.address, client }),
    openNowhere: () => open({ kind: 'ssh', ...sshd.address, port: 1, client }),
    close: sshd.close,
  };
}

describeWith(['sshd'], 'over SSH', () => {
  describeTransport('the ssh2 transport', () => openSshBench('ssh2'));
  describeTransport('the openssh transport', () => openSshBench('openssh'));
});
