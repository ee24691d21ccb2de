-- Do subscribers spend more?
-- One row per figure: subscribers against customers of whom it is known that they do not subscribe.
-- `difference` is the one less the other with its 95 % interval; `verdict` says more or less where the
-- q-value (corrected for the number of figures) is below 0.05. The standardised estimates give both groups
-- the same mix of main categories. Loyal customers subscribe, and subscribers become loyal: it proves no
-- effect of the subscription.
with figures as (
    select
        s.figure,
        s.subscription,
        s.unit,
        s.numerator,
        s.denominator,
        s.estimate,
        s.standardised_estimate,
        s.difference,
        s.difference_low,
        s.difference_high,
        s.q_value,
        s.low_n,
        s.currency
    from kpi.subscription_effect as s
),

final as (
    select
        f.figure,
        f.unit,
        f.numerator,
        f.denominator,
        f.estimate,
        o.numerator as other_numerator,
        o.denominator as other_denominator,
        o.estimate as other_estimate,
        f.difference,
        f.difference_low,
        f.difference_high,
        f.standardised_estimate,
        o.standardised_estimate as other_standardised_estimate,
        f.q_value,
        case
            when f.q_value < 0.05 and f.difference > 0 then 'more'
            when f.q_value < 0.05 and f.difference < 0 then 'less'
            when f.q_value is not null then 'not distinguishable'
        end as verdict,
        f.low_n or o.low_n as low_n,
        f.currency,
        case f.figure
            when 'net_sales_per_customer' then 1
            when 'aov' then 2
            when 'orders_per_customer' then 3
            when 'repeat_rate' then 4
            when 'repeat_rate_90d' then 5
            else 6
        end as sort_order
    from figures as f
    inner join figures as o on f.figure = o.figure
    where f.subscription = 'subscriber' and o.subscription = 'not subscriber'
)

select * from final
order by sort_order, figure
