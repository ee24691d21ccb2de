-- How much value are we about to lose, and with whom?
-- One row per segment and band of risk. What is at risk is what these customers brought in 90 days on average
-- since their first order, less what is expected of the next 90 days, where that is less: the part of their
-- usual sales that will not come unless something is done.
with clock as (
    select c.as_of_date from core.clock as c
),

values_ahead as (
    select
        v.customer_id,
        v.churn_risk_band,
        v.historic_value,
        v.clv_12m,
        v.expected_orders_90d,
        v.expected_order_value,
        v.first_occasion_date,
        v.currency
    from customer.lifetime_value as v
),

segments as (
    select
        r.customer_id,
        r.segment
    from customer.rfm as r
),

losses as (
    select
        v.churn_risk_band,
        s.segment,
        v.historic_value,
        v.clv_12m,
        greatest(
            v.historic_value::double precision * 90 / greatest(c.as_of_date - v.first_occasion_date, 90)
            - v.expected_orders_90d * v.expected_order_value::double precision,
            0
        )::numeric(18, 4) as value_at_risk,
        v.currency
    from values_ahead as v
    cross join clock as c
    inner join segments as s on v.customer_id = s.customer_id
),

grouped as (
    select
        l.churn_risk_band,
        l.segment,
        count(*) as customers,
        sum(l.historic_value) as historic_value,
        sum(l.clv_12m) as clv_12m,
        sum(l.value_at_risk) as value_at_risk,
        max(l.currency) as currency
    from losses as l
    group by l.churn_risk_band, l.segment
),

final as (
    select
        g.churn_risk_band,
        g.segment,
        g.customers,
        g.historic_value,
        g.clv_12m,
        g.value_at_risk,
        g.value_at_risk::double precision / nullif(sum(g.value_at_risk) over (), 0) as share_of_value_at_risk,
        g.currency
    from grouped as g
)

select * from final
order by value_at_risk desc, churn_risk_band, segment
