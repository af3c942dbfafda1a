export const aMachine = (over: object = {}) => ({ name: 'MUGEN', instanceId: 'i-0123456789abcdef0', ...over });

export const aGroup = (over: object = {}) => ({ name: 'phase2', count: 3, instanceType: 'c6i.4xlarge', ...over });

export const someSettings = (over: object = {}) => ({
  ...{ phase: 'phase2', owner: 'Mika', region: 'us-east-1', groups: [aGroup()], amis: { 'us-east-1': 'ami-12345678' } },
  ...over,
});
