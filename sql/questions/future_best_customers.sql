-- Who will be our best customers in the next twelve months?
-- One row per customer with an order, by what they are expected to bring in the next twelve months, discounted.
-- The interval says how far a single customer can be off: plan with its lower end, not with the expectation.
-- `cumulative_share` shows how few customers bring most of it.
with values_ahead as (
    select
        v.customer_id,
        v.clv_12m,
        v.clv_12m_low,
        v.clv_12m_high,
        v.expected_orders_365d,
        v.historic_value,
        v.p_alive,
        v.method,
        v.currency
    from customer.lifetime_value as v
),

segments as (
    select
        r.customer_id,
        r.segment
    from customer.rfm as r
),

final as (
    select
        row_number() over (order by v.clv_12m desc, v.customer_id) as rank,
        v.customer_id,
        s.segment,
        v.clv_12m,
        v.clv_12m_low,
        v.clv_12m_high,
        v.expected_orders_365d,
        v.historic_value,
        v.p_alive,
        sum(v.clv_12m) over (order by v.clv_12m desc, v.customer_id rows unbounded preceding)::double precision
        / nullif(sum(v.clv_12m) over (), 0) as cumulative_share,
        v.method,
        v.currency
    from values_ahead as v
    inner join segments as s on v.customer_id = s.customer_id
)

select * from final
order by rank
