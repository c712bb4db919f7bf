import { TooltipProvider } from '@vector-im/compound-web'
import { createRoot } from 'react-dom/client'
import { ClientStart } from './onboarding/client-start.tsx'
import './styles/main.css'

const root = document.getElementById('app')
if (root) {
  createRoot(root).render(
    <TooltipProvider>
      <ClientStart />
    </TooltipProvider>,
  )
}
