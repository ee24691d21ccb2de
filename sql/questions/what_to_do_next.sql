-- What should marketing do next, for how many customers, and what is it worth?
-- One row per action with the customers for whom it is the best one now; `none` are those who may not be
-- written to, by reason. The values rest on the rates of response of core.actions: replace those by your own.
with customers as (
    select
        n.customer_id,
        n.action,
        case when n.action = 'none' then n.reason else n.best_action_name end as action_name,
        case when n.action <> 'none' then n.contact_channel end as contact_channel,
        n.priority,
        case when n.action <> 'none' then n.expected_value end as expected_value,
        n.currency
    from customer.next_best_action as n
),

first_customers as (
    select distinct on (c.action, c.action_name)
        c.action,
        c.action_name,
        c.customer_id
    from customers as c
    order by c.action, c.action_name, c.expected_value desc nulls last, c.customer_id
),

grouped as (
    select
        c.action,
        c.action_name,
        c.contact_channel,
        count(*) as customers,
        count(*) filter (where c.priority = 'high') as high_priority_customers,
        sum(c.expected_value) as expected_value,
        max(c.currency) as currency
    from customers as c
    group by c.action, c.action_name, c.contact_channel
),

final as (
    select
        g.action,
        g.action_name,
        g.contact_channel,
        g.customers,
        g.high_priority_customers,
        g.expected_value,
        f.customer_id as example_customer_id,
        g.currency
    from grouped as g
    inner join first_customers as f on g.action = f.action and g.action_name = f.action_name
)

select * from final
order by expected_value desc nulls last, action, action_name
