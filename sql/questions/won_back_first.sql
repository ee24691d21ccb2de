-- Who should be won back first?
-- One row per customer whose next best action is to win them back, by what that can be expected to bring. They
-- are customers of much value who are unlikely to order again by themselves; see customer.next_best_action.
-- `may_be_contacted` is true only where the customer agreed to marketing; no answer is no.
with candidates as (
    select
        n.customer_id,
        n.segment,
        n.action,
        n.value_at_stake,
        n.expected_value,
        n.currency
    from customer.next_best_action as n
    where n.best_action = 'win_back'
),

customers as (
    select
        r.customer_id,
        r.last_order_date,
        r.frequency
    from customer.rfm as r
),

values_ahead as (
    select
        v.customer_id,
        v.historic_value,
        v.churn_risk_90d
    from customer.lifetime_value as v
),

final as (
    select
        row_number() over (order by d.expected_value desc nulls last, d.customer_id) as rank,
        d.customer_id,
        d.segment,
        c.last_order_date,
        c.frequency as orders,
        v.historic_value,
        v.churn_risk_90d,
        d.value_at_stake,
        d.expected_value,
        d.action <> 'none' as may_be_contacted,
        d.currency
    from candidates as d
    inner join customers as c on d.customer_id = c.customer_id
    inner join values_ahead as v on d.customer_id = v.customer_id
)

select * from final
order by rank
